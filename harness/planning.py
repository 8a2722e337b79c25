"""From a grid and a catalog to trials. Nothing is measured here: the same grid always plans the same questions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.backend import Dtype
from harness.cell import Cell
from harness.errors import HarnessError, unknown
from harness.grid import AccuracySection, Grid
from harness.options import configure
from harness.plugins import Catalog
from harness.spelling import Spelling
from harness.task import Task
from harness.trial import Subject, Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Trials in the order of the tables; `impossible`: pairs that can never exist, a sentence each.

    What to fall back to where a gate fails, by cell spelling, best first: `candidates`, the backends that `auto` may
    train it on (empty where the grid names the backend); `baselines`, the backends its speed may be compared with.
    """

    grid: Grid
    trials: tuple[Trial, ...]
    impossible: tuple[str, ...]
    candidates: Mapping[str, tuple[str, ...]]
    baselines: Mapping[str, tuple[str, ...]]

    def of(self, *measures: str) -> list[Trial]:
        """The trials of some measures."""
        return [trial for trial in self.trials if trial.measure in measures]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """A cell of the grid and the backends it may run on."""

    cell: Cell
    subject: Subject
    backends: tuple[str, ...]


def gates_of(trial: Trial) -> list[Trial]:
    """The conformance trials that a trial depends on: its own pair's, and that of the backend it is compared with."""
    return [
        Trial(
            measure="conformance",
            cell=trial.cell,
            backend=backend,
            device=trial.device,
            dtype=trial.dtype,
        )
        for backend in (trial.backend, trial.versus)
        if backend is not None
    ]


def plan(grid: Grid, catalog: Catalog) -> Plan:
    """Every trial of a grid, gates first. Raises HarnessError for what the catalog does not have."""
    if grid.accuracy_on not in ("auto", "all"):
        catalog.backend(grid.accuracy_on)
    impossible: dict[str, None] = {}
    choices = [_choice(grid, catalog, spelling, impossible) for spelling in _cells(grid, catalog)]
    candidates: dict[str, tuple[str, ...]] = {}
    trials: list[Trial] = []
    for section in grid.on_tasks:
        task = catalog.task(section.task)
        extra = [_choice(grid, catalog, s, impossible) for s in _also(section, choices)]
        if grid.accuracy_on == "auto":
            candidates |= {str(c.subject): c.backends for c in (*choices, *extra)}
        trials += _accuracy(grid, section, task, [*choices, *extra])
    if "memory" in grid.measures:
        trials += _memory(grid, choices)
    baselines = {str(choice.subject): _baselines(grid, choice, catalog) for choice in choices}
    if "speed" in grid.measures:
        trials += _speed(grid, choices, baselines)
    if not trials:
        raise HarnessError(
            "wanted at least one trial, found none", hint="; ".join(impossible) or "the grid has no such sections"
        )
    gates = [gate for trial in trials for gate in gates_of(trial)]
    return Plan(
        grid=grid,
        trials=tuple(dict.fromkeys([*gates, *trials])),
        impossible=tuple(impossible),
        candidates=candidates,
        baselines=baselines,
    )


def _cells(grid: Grid, catalog: Catalog) -> Iterable[Spelling]:
    if grid.cells is None:
        return [Spelling(name) for name in catalog.cells]
    return grid.cells


def _also(section: AccuracySection, choices: Iterable[_Choice]) -> list[Spelling]:
    """The section's own cells, as far as the grid has their plain forms at all."""
    chosen = {choice.subject.name for choice in choices}
    return [spelling for spelling in section.also if spelling.name in chosen]


def _choice(grid: Grid, catalog: Catalog, spelling: Spelling, impossible: dict[str, None]) -> _Choice:
    cell = catalog.cell(Spelling(spelling.name, spelling.options))
    for name, option, value in grid.cell_options:
        if name not in catalog.cells:
            raise unknown("cell", name, catalog.cells)
        if name == spelling.name:
            cell = configure(cell, {option: value}, kind=name)
    subject = Subject.of(cell)
    possible = []
    for name in [spelling.backend] if spelling.backend else _backends(grid, catalog):
        reason = why_not(catalog, cell, name, grid.device, grid.dtype)
        if reason is None:
            possible.append(name)
        else:
            impossible[f"{subject}@{name}: {reason}"] = None
    return _Choice(cell=cell, subject=subject, backends=tuple(possible))


def why_not(catalog: Catalog, cell: Cell, backend: str, device: str, dtype: Dtype) -> str | None:
    """Why a backend cannot run a cell there, or None."""
    found = catalog.backend(backend)
    if device not in found.devices:
        return f"{backend} does not run on {device}"
    return found.why_not(cell, device, dtype)


def _backends(grid: Grid, catalog: Catalog) -> list[str]:
    """The chosen backends: those the order ranks first, the others by name."""
    names = list(catalog.backends) if grid.backends is None else list(grid.backends)
    ranks = {name: rank for rank, name in enumerate(grid.order)}
    return sorted(names, key=lambda name: (ranks.get(name, len(ranks)), name))


def _accuracy(grid: Grid, section: AccuracySection, task: Task, choices: list[_Choice]) -> list[Trial]:
    """Accuracy or gradients; seeds outermost: an interrupted run has some seeds of every cell, not all of some."""
    found = []
    for seed in range(section.seeds or grid.seeds):
        for model in section.models:
            for training in section.asked_after:
                for choice in choices:
                    for backend in _accuracy_backends(grid, choice):
                        trial = Trial(
                            measure=section.measure,
                            cell=choice.subject,
                            backend=backend,
                            device=grid.device,
                            task=Subject.of(task),
                            model=model,
                            training=training,
                            seed=seed,
                        )
                        found.append(trial)
    return found


def _accuracy_backends(grid: Grid, choice: _Choice) -> tuple[str, ...]:
    if grid.accuracy_on == "auto":
        return choice.backends[:1]
    if grid.accuracy_on == "all":
        return choice.backends
    return tuple(name for name in choice.backends if name == grid.accuracy_on)


def _memory(grid: Grid, choices: list[_Choice]) -> list[Trial]:
    return [
        Trial(
            measure="memory",
            cell=choice.subject,
            backend=backend,
            device=grid.device,
            dtype=grid.dtype,
            shape=shape,
        )
        for shape in grid.memory
        for choice in choices
        for backend in choice.backends
    ]


def _speed(grid: Grid, choices: list[_Choice], baselines: Mapping[str, tuple[str, ...]]) -> list[Trial]:
    """Each pair against the first baseline of its cell; the baseline against itself shows the noise."""
    return [
        Trial(
            measure="speed",
            cell=choice.subject,
            backend=backend,
            device=grid.device,
            dtype=grid.dtype,
            shape=shape,
            versus=versus,
        )
        for shape in grid.speed
        for choice in choices
        for backend in choice.backends
        for versus in baselines[str(choice.subject)][:1]
    ]


def _baselines(grid: Grid, choice: _Choice, catalog: Catalog) -> tuple[str, ...]:
    return tuple(
        name
        for name in grid.versus
        if name in catalog.backends and why_not(catalog, choice.cell, name, grid.device, grid.dtype) is None
    )
