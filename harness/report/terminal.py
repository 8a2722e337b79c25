"""The report on a terminal: tables, then the findings. Readable without colour."""

from typing import Literal

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.report.findings import findings
from harness.report.layout import shown_tables
from harness.report.shown import Shown
from harness.store import RunView

LONGEST_WORD = 32
FIGURES_START = frozenset("0123456789–∞≥>")


def print_report(run: RunView, console: Console, *, full: bool = False) -> None:
    """Prints every table that has rows, pairs and ranks only in `full`, then what they say. Names are no markup."""
    console.print(Text(_heading(run), style="bold"))
    for shown in shown_tables(run, full=full):
        console.print()
        console.print(Text(shown.title, style="bold"))
        fitted = _fitting(shown, console.width)
        if _least_total(fitted) <= console.width:
            console.print(_table(fitted, console.width))
        else:
            _print_rows(fitted, console)
        if fitted.note:
            console.print(Padding(Text(fitted.note, style="dim"), (0, 1)))
    console.print()
    console.print(Text("Findings", style="bold"))
    for sentence in findings(run):
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_row(Text("•"), Text(sentence))
        console.print(grid)


def _heading(run: RunView) -> str:
    title = run.grid.get("title", "")
    return f"{run.name}: {title}" if title else run.name


def _table(shown: Shown, width: int) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for place, (name, column_width) in enumerate(zip(shown.columns, _widths(shown, width), strict=True)):
        is_figure = all(row[place][:1] in FIGURES_START for row in shown.rows)
        justify: Literal["left", "right"] = "right" if is_figure else "left"
        table.add_column(Text(name), justify=justify, width=column_width, overflow="fold")
    for row in shown.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _print_rows(shown: Shown, console: Console) -> None:
    """Row under row, a line a column: for a terminal on which the columns have no room beside each other."""
    for first, *others in shown.rows:
        console.print(Text(first, style="bold"))
        for name, cell in zip(shown.columns[1:], others, strict=True):
            if cell:
                console.print(Padding(Text(f"{name}: {cell}"), (0, 0, 0, 2)))


def _fitting(shown: Shown, width: int) -> Shown:
    """Without as many optional columns as there is no room for; all of them are in the files."""
    for name in shown.optional:
        if _least_total(shown) <= width:
            break
        shown = shown.without(name)
    return shown


def _widths(shown: Shown, width: int) -> list[int]:
    """A width for each column: its longest word, and its longest text as long as there is room.

    rich's own way may take from a column more than the column has to give, and then cuts the last ones off.
    """
    room = width - _least_total(shown)
    found: list[int] = []
    for place in range(len(shown.columns)):
        least = _least_width(shown, place)
        more = max(len(text[place]) for text in (shown.columns, *shown.rows)) - least
        given = more if more <= room else room if _is_prose(shown, place) else 0
        room -= given
        found.append(least + given)
    return found


def _is_prose(shown: Shown, place: int) -> bool:
    """Whether a column's texts have more than a figure and its interval: they use whatever room there is."""
    return any(text[place].count(" ") > 2 for text in shown.rows)


def _least_total(shown: Shown) -> int:
    return sum(_least_width(shown, place) + 2 for place in range(len(shown.columns)))


def _least_width(shown: Shown, place: int) -> int:
    """The longest word of a column: a figure may break before its interval, a name nowhere; a long reason may."""
    words = [word for text in (shown.columns, *shown.rows) for word in text[place].split()]
    return min(max(len(word) for word in words), LONGEST_WORD)
