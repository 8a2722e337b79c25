"""Writes what docs/cells.md says of each cell from the cell itself: `python plugins/harness_cells/page.py`."""

import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import harness
from harness import plugins

PAGE = Path(__file__).parents[2] / "docs" / "cells.md"
BEGIN, END = "<!-- cells: begin -->\n", "<!-- cells: end -->"


class Letter(str):
    """A size by its letter: 4 · H is 4H."""

    def __rmul__(self, times: int) -> "Letter":
        return Letter(f"{times}{self}")


def section(cell: harness.Cell) -> Iterator[str]:
    """A cell's part of the page: equation, conventions, parameters, states, options, the step itself."""
    about, I, H = cell.about, Letter("I"), Letter("H")
    equation, _, conventions = inspect.cleandoc(type(cell).__doc__ or "").partition("\n\n")
    yield f"### {about.title}: `{about.name}`\n"
    yield f"**{' '.join(equation.split())}**\n"
    yield f"{conventions}\n"
    yield f"- paper: {about.paper}"
    yield f"- parameters: {_shapes(cell.parameters(I, H))}"  # type: ignore[arg-type] -- letters for sizes
    yield f"- states: {_shapes(cell.states(I, H))}; the first is the output"  # type: ignore[arg-type]
    options = ", ".join(f"`{option.name}` = {_plain(option.default)}" for option in fields(cell))  # type: ignore[arg-type]
    yield f"- options: {options or 'none'}"
    yield f"- examples: {', '.join(dict.fromkeys(example.source for example in cell.examples())) or 'none'}\n"
    yield f"```python\n{textwrap.dedent(inspect.getsource(type(cell).step)).rstrip()}\n```\n"


def rendered() -> str:
    """Everything between the page's marks."""
    cells = [entry.value for entry in plugins.load().cells.values()]
    return "\n" + "\n".join(line for cell in cells for line in section(cell)) + "\n"


def _shapes(shapes: dict[str, tuple[Letter, ...]]) -> str:
    return ", ".join(f"`{name}` [{', '.join(shape)}]" for name, shape in shapes.items())


def _plain(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    marked = re.compile(f"(?<={BEGIN}).*(?={END})", re.DOTALL)
    PAGE.write_text(marked.sub(lambda _: rendered(), PAGE.read_text("utf-8")), "utf-8")
