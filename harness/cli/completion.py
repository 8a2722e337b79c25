"""What the shell offers after Tab: names of cells, tasks, backends, measures and grids, also within comma lists.

Switched on by click's own way, a line in the shell's start file (`harness --help` has them). Nothing heavier than the
plugins' own small files is imported here: a Tab shall be answered at once.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from harness.errors import HarnessError
from harness.grid import shipped_grids
from harness.options import options_of
from harness.plugins import Catalog, load
from harness.spelling import scalar_text


class Bash(BashComplete):
    """bash takes words apart at @ and = unless it is told otherwise; lists and spellings would be torn."""

    source_template = (
        "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}; COMP_WORDBREAKS=${COMP_WORDBREAKS//=}\n" + BashComplete.source_template
    )


def install() -> None:
    """Makes click's answer for bash this file's."""
    add_completion_class(Bash)


class Offered(click.ParamType[str]):
    """A text as typed; after Tab, the names that may stand there, one or, in a `listed` text, several.

    `kind`: cells, sides (a cell or a cell on a backend), tasks, backends, grids, or the names themselves.
    """

    name = "text"

    def __init__(self, kind: str | Sequence[str], *, listed: bool = True) -> None:
        self.kind, self.listed = kind, listed

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """What may stand at the end of `incomplete`, the words before the last comma kept."""
        before, last = _parted(incomplete) if self.listed else ("", incomplete)
        chosen = set(before.split(","))
        offered = _offers(self.kind, last, tuple(ctx.params.get("plugins") or ()))
        found = [name for name in offered if name.startswith(last) and name not in chosen]
        if not found and self.kind == "grids":
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(before + name) for name in found]


def _parted(text: str) -> tuple[str, str]:
    """The text up to its last comma outside brackets, and the rest: `gru,lstm[a=1,b` gives `gru,` and the rest."""
    depth, cut = 0, 0
    for place, sign in enumerate(text):
        depth += (sign == "[") - (sign == "]")
        cut = place + 1 if sign == "," and not depth else cut
    return text[:cut], text[cut:]


def _offers(kind: str | Sequence[str], typed: str, files: tuple[Path, ...]) -> Iterable[str]:
    if not isinstance(kind, str):
        return kind
    if kind == "grids":
        return shipped_grids()
    try:
        catalog = load([Path(file) for file in files])
    except HarnessError:  # a plugin file that is not there yet: the run will say so
        catalog = load()
    if kind in ("cells", "sides"):
        return ["all", *_cells(catalog, typed)] if kind == "cells" else _cells(catalog, typed)
    return ["all", *(_spelled(catalog.tasks, typed) if kind == "tasks" else _spelled(catalog.backends, typed))]


def _cells(catalog: Catalog, typed: str) -> Iterator[str]:
    """Cells; once an @ is typed, each backend that can run the one before it."""
    cell, at, _ = typed.partition("@")
    if not at:
        yield from _spelled(catalog.cells, typed)
        return
    entry = catalog.cells.get(cell.partition("[")[0])
    for name, backend in catalog.backends.items():
        if entry and backend.value.why_not(entry.value, backend.value.devices[0], "float32") is None:
            yield f"{cell}@{name}"


def _spelled(entries: Any, typed: str) -> Iterator[str]:
    """Names; once a bracket is typed, the options that may stand in it, with their defaults."""
    name, bracket, inside = typed.partition("[")
    if not bracket:
        yield from entries
    elif name in entries:
        before = "".join(inside.rpartition(",")[:2])
        for option, default in options_of(entries[name].value).items():
            if f"{option}=" not in before:  # two for each, or the shell would go on to the next word
                yield f"{name}[{before}{option}={scalar_text(default)}]"
                yield f"{name}[{before}{option}="
