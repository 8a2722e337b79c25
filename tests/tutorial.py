"""Pages that grow a file step by step: their blocks in order, and what each does to the file."""

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(r"^```(\w+)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: `sh` to run, `text` that the last command printed, `python`, for a file if it has a title."""

    language: str
    title: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    """All of a page's blocks, in order."""
    return [Block(*found) for found in FENCE.findall(page.read_text("utf-8"))]


def applied(block: Block, folder: Path) -> None:
    """Writes a titled block into its file as the title says: whole, at its end, or in the class at its end or before a
    line that begins so."""
    name, _, where = block.title.partition(", ")
    file = folder / name
    if not where:
        file.write_text(block.text, "utf-8")
        return
    text = file.read_text("utf-8")
    if where == "at its end":
        file.write_text(f"{text}\n\n{block.text}", "utf-8")
        return
    quoted = re.fullmatch(r"in the class(?:, before `(.+)`)?", where)
    assert quoted, f"a title nobody understands: {block.title}"
    before = f"    {quoted[1]}" if quoted[1] else "\n\n@harness.hookimpl"
    assert text.count(before) == 1, f"{before!r} is not the one place in {name}"
    new = textwrap.indent(textwrap.dedent(block.text), "    ")
    file.write_text(text.replace(before, f"{new}\n{before}" if quoted[1] else f"\n{new}{before}"), "utf-8")
