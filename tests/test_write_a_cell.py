"""The pages for authors, followed to the letter: every block in its order, in an empty folder."""

import shlex
from pathlib import Path

import pytest

from tutorial import Block, applied, blocks_of

DOCS = Path(__file__).parent.parent / "docs"


@pytest.mark.parametrize("page", ["write-a-cell.md", "write-a-task.md"])
def test_a_page_for_authors_does_what_it_says(page, tmp_path, command):
    printed = ""
    for block in blocks_of(DOCS / page):
        if block.language == "sh":
            printed = "".join(done(line, command) for line in block.text.splitlines())
        elif block.language == "text":
            assert block.text in printed, f"wanted among what was printed:\n{block.text}\nfound:\n{printed}"
        elif block.title:
            applied(block, tmp_path)


def done(line: str, command) -> str:
    """What a command line of the page prints; it must end well."""
    program, *words = shlex.split(line)
    assert program == "harness"
    ended = command(*words)
    assert ended.returncode == 0, f"{line}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


def test_a_page_that_is_wrong_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text('```python title="a.py, in the class"\n    x = 1\n```\n', "utf-8")
    (tmp_path / "a.py").write_text("no class here\n")
    (block,) = blocks_of(page)
    assert block == Block("python", "a.py, in the class", "    x = 1\n")
    with pytest.raises(AssertionError, match="is not the one place"):
        applied(block, tmp_path)
