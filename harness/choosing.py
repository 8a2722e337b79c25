"""Which cells on which backends a grid asks about, and which cell the others are matched to."""

from collections.abc import Iterable
from dataclasses import dataclass

from harness.backend import Dtype
from harness.blame import blamed
from harness.cell import Cell
from harness.errors import HarnessError, unknown
from harness.grid import AccuracySection, Grid
from harness.matching import Matcher, Matching
from harness.options import changed_options, configure
from harness.plugins import Catalog
from harness.spelling import Spelling, parse
from harness.trial import Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A cell of the grid and the backends it may run on."""

    cell: Cell
    subject: Subject
    backends: tuple[str, ...]


def choices_of(grid: Grid, catalog: Catalog, impossible: dict[str, None]) -> list[Choice]:
    """The grid's cells. Raises HarnessError where there are none."""
    found = [choose(grid, catalog, spelling, impossible) for spelling in _spellings(grid, catalog)]
    if not found:
        raise HarnessError("wanted at least one cell, found none")
    return found


def choices_beside(
    grid: Grid, catalog: Catalog, section: AccuracySection, choices: Iterable[Choice], impossible: dict[str, None]
) -> list[Choice]:
    """The section's own cells, as far as the grid has their plain forms at all."""
    chosen = {choice.subject.name for choice in choices}
    return [choose(grid, catalog, spelling, impossible) for spelling in section.also if spelling.name in chosen]


def choose(grid: Grid, catalog: Catalog, spelling: Spelling, impossible: dict[str, None]) -> Choice:
    """The cell on every backend that can run it; the others go to `impossible`, a sentence each."""
    cell = _cell(grid, catalog, spelling)
    subject = Subject.of(cell)
    possible = []
    for name in [spelling.backend] if spelling.backend else _backends(grid, catalog):
        shortest = _shortest(catalog, name)
        reason = why_not(catalog, cell, shortest, grid.device, grid.dtype)
        if reason is None:
            possible.append(shortest)
        else:
            impossible[f"{subject}@{shortest}: {reason}"] = None
    return Choice(cell=cell, subject=subject, backends=tuple(possible))


def matcher_of(grid: Grid, catalog: Catalog, by: Matching) -> Matcher:
    """Matches to the grid's reference, else to its first cell; a reference need not be among the cells that run."""
    cell = _cell(grid, catalog, grid.reference or next(iter(_spellings(grid, catalog))))
    return Matcher(by=by, reference=cell, name=str(Subject.of(cell)))


def why_not(catalog: Catalog, cell: Cell, backend: str, device: str, dtype: Dtype) -> str | None:
    """Why a backend cannot run a cell there, or None. One that fails when it is asked cannot."""
    found = catalog.backend(backend)
    try:
        with blamed("asked whether it can run, it"):
            if device not in found.devices:
                return f"{backend} does not run on {device}"
            return found.why_not(cell, device, dtype)
    except HarnessError as error:
        return error.message


def baselines_of(grid: Grid, choice: Choice, catalog: Catalog) -> tuple[str, ...]:
    """The backends that the cell's speed may be compared with, best first."""
    return tuple(
        name
        for name in grid.versus
        if parse(name).name in catalog.backends and why_not(catalog, choice.cell, name, grid.device, grid.dtype) is None
    )


def _spellings(grid: Grid, catalog: Catalog) -> Iterable[Spelling]:
    return [Spelling(name) for name in catalog.cells] if grid.cells is None else grid.cells


def _cell(grid: Grid, catalog: Catalog, spelling: Spelling) -> Cell:
    cell = catalog.cell(Spelling(spelling.name, spelling.options))
    for name, option, value in grid.cell_options:
        if name not in catalog.cells:
            raise unknown("cell", name, catalog.cells)
        if name == spelling.name:
            cell = configure(cell, {option: value}, kind=name)
    return cell


def _backends(grid: Grid, catalog: Catalog) -> list[str]:
    """The chosen backends: those the order ranks first, the others by name."""
    names = list(catalog.backends) if grid.backends is None else list(grid.backends)
    ranks = {name: rank for rank, name in enumerate(grid.order)}
    return sorted(names, key=lambda name: (ranks.get(name, ranks.get(parse(name).name, len(ranks))), name))


def _shortest(catalog: Catalog, backend: str) -> str:
    """A backend's spelling with only those options that differ from their defaults."""
    return str(Spelling(parse(backend).name, changed_options(catalog.backend(backend))))
