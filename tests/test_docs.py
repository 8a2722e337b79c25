"""The documentation leads nowhere in vain: every link within it has its file, every anchor its heading."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("README*.md"), ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])


def prose(page: Path) -> str:
    """A page without its code, where brackets are no links."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub names them: a repeated one gets a number."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
    found: set[str] = set(re.findall(r'<a (?:id|name)="([^"]+)"', text))
    for heading in re.findall(r"^#+ +(.+?) *$", text, re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        again = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", known) is not None for known in found)
        found.add(f"{name}-{again}" if again else name)
    return found


def broken(page: Path) -> list[str]:
    """The links of a page that lead within the repository, and nowhere."""
    found = []
    for target in re.findall(r"\]\(\s*<?([^)\s>]+)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert not broken(page)


def test_a_broken_link_is_noticed(tmp_path):
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text("# One `code` thing\n\n## Twice\n\n## Twice\n", "utf-8")
    good = "[a](other.md) [b](other.md#one-code-thing) [c](other.md#twice-1) [d](https://example.org/none)"
    page.write_text(f"{good} [e](none.md) [f](other.md#none) [g](#none)", "utf-8")
    assert broken(page) == ["none.md", "other.md#none", "#none"]
