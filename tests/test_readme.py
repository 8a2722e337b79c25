"""The README in two languages: what one shows, the other shows."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGLISH, KOREAN = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.ko.md"))


def blocks(text: str) -> list[str]:
    """The code blocks without their comments, which are in the language of the text."""
    found = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    return [f"{kind}\n" + re.sub(r"\s+# .*", "", code) for kind, code in found]


def links(text: str) -> list[str]:
    """Where links and pictures lead, but for the one to the other language."""
    return [target for target in re.findall(r"\]\(([^)]+)\)", text) if not re.fullmatch(r"README(\.ko)?\.md", target)]


def headings(text: str) -> list[str]:
    """The levels of the headings outside code."""
    return re.findall(r"^#+(?= )", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)


def figures(text: str) -> list[str]:
    """Rows of tables, by how many cells they have, and the names they hold in code."""
    return [row for line in text.splitlines() if line.startswith("|") for row in re.findall(r"`[^`]+`|\|", line)]


@pytest.mark.parametrize("part", [blocks, links, headings, figures])
def test_both_languages_have_the_same(part):
    assert part(ENGLISH)
    assert part(KOREAN) == part(ENGLISH)


def test_each_leads_to_the_other_at_its_top():
    assert "(README.ko.md)" in ENGLISH[:60]
    assert "(README.md)" in KOREAN[:60]
