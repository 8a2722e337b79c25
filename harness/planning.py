"""From a grid and a catalog to trials. Nothing is measured here: the same grid always plans the same questions."""

from collections.abc import Mapping
from dataclasses import dataclass

from harness.blame import blamed
from harness.choosing import Choice, baselines_of, choices_beside, choices_of, matcher_of
from harness.errors import HarnessError
from harness.grid import AccuracySection, Grid
from harness.matching import Match, Matcher, Matches, collect
from harness.plugins import Catalog
from harness.task import Task
from harness.trial import Subject, Trial

MOST_TRIALS = 250_000
"""Of one section of a plan. A run holds all of its trials in memory, 4 KiB each (docs/scaling.md): these take 1 GiB."""

Placed = tuple[Trial, Match | None]
"""A trial and what its hidden size was solved for, None where that is the grid's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Trials in the order of the tables; `impossible`: pairs that can never exist, a sentence each.

    What to fall back to where a gate fails, by cell spelling, best first: `candidates`, the backends that `auto` may
    train it on (empty where the grid names the backend); `baselines`, the backends its speed may be compared with.
    `matches`: which hidden sizes were solved for, and what for, by trial id.
    """

    grid: Grid
    trials: tuple[Trial, ...]
    impossible: tuple[str, ...]
    candidates: Mapping[str, tuple[str, ...]]
    baselines: Mapping[str, tuple[str, ...]]
    matches: Matches

    def of(self, *measures: str) -> list[Trial]:
        """The trials of some measures."""
        return [trial for trial in self.trials if trial.measure in measures]


def gates_of(trial: Trial) -> list[Trial]:
    """The conformance trials that a trial depends on: its own pair's, and that of the backend it is compared with."""
    return [
        Trial(
            measure="conformance",
            cell=cell,
            backend=backend,
            device=trial.device,
            dtype=trial.dtype,
        )
        for cell, backend in ((trial.cell, trial.backend), (trial.versus_cell or trial.cell, trial.versus))
        if backend is not None
    ]


def next_best(names: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """The one that follows `name`, if any."""
    return names[names.index(name) + 1 :][:1] if name in names else ()


def plan(grid: Grid, catalog: Catalog) -> Plan:
    """Every trial of a grid, gates first. Raises HarnessError for what the catalog does not have."""
    if grid.accuracy_on not in ("auto", "all"):
        catalog.backend(grid.accuracy_on)
    impossible: dict[str, None] = {}
    choices = choices_of(grid, catalog, impossible)
    candidates: dict[str, tuple[str, ...]] = {}
    placed: list[Placed] = []
    for section in grid.on_tasks:
        task = catalog.task(section.task)
        extra = choices_beside(grid, catalog, section, choices, impossible)
        if grid.accuracy_on == "auto":
            candidates |= {str(c.subject): c.backends for c in (*choices, *extra)}
        matcher = matcher_of(grid, catalog, section.match or grid.match)
        placed += _accuracy(grid, section, task, [*choices, *extra], matcher)
    matcher = matcher_of(grid, catalog, grid.match)
    if "memory" in grid.measures:
        placed += _memory(grid, choices, matcher)
    baselines = {str(choice.subject): baselines_of(grid, choice, catalog) for choice in choices}
    if "speed" in grid.measures:
        placed += _speed(grid, choices, baselines, matcher)
    if not placed:
        raise HarnessError(
            "wanted at least one trial, found none", hint="; ".join(impossible) or "the grid has no such sections"
        )
    trials = [trial for trial, _ in placed]
    gates = [gate for trial in trials for gate in gates_of(trial)]
    return Plan(
        grid=grid,
        trials=tuple(dict.fromkeys([*gates, *trials])),
        impossible=tuple(impossible),
        candidates=candidates,
        baselines=baselines,
        matches=collect(placed),
    )


def _accuracy(
    grid: Grid, section: AccuracySection, task: Task, choices: list[Choice], matcher: Matcher
) -> list[Placed]:
    """Accuracy or gradients; seeds outermost: an interrupted run has some seeds of every cell, not all of some."""
    with blamed(f"{task.about.name}, asked for its problem,"):
        problem = task.problem()
    models = [[(choice, matcher.model(choice.cell, model, problem)) for choice in choices] for model in section.models]
    found: list[Placed] = []
    a_seed = len(models) * len(section.asked_after) * sum(len(_accuracy_backends(grid, choice)) for choice in choices)
    _require_few(a_seed * (section.seeds or grid.seeds), str(section.task))
    for seed in range(section.seeds or grid.seeds):
        for of_cells in models:
            for training in section.asked_after:
                for choice, (model, match) in of_cells:
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
                        found.append((trial, match))
    return found


def _require_few(count: int, task: str) -> None:
    if count > MOST_TRIALS:
        hint = "fewer --seeds, or several runs of some cells or tasks each, joined by `harness results merge`"
        raise HarnessError(f"wanted at most {MOST_TRIALS:,} trials of {task} in one run, found {count:,}", hint=hint)


def _accuracy_backends(grid: Grid, choice: Choice) -> tuple[str, ...]:
    if grid.accuracy_on == "auto":
        return choice.backends[:1]
    if grid.accuracy_on == "all":
        return choice.backends
    return tuple(name for name in choice.backends if name == grid.accuracy_on)


def _memory(grid: Grid, choices: list[Choice], matcher: Matcher) -> list[Placed]:
    return [
        (
            Trial(
                measure="memory",
                cell=choice.subject,
                backend=backend,
                device=grid.device,
                dtype=grid.dtype,
                shape=own,
            ),
            match,
        )
        for shape in grid.memory
        for choice in choices
        for own, match in [matcher.shape(choice.cell, shape)]
        for backend in choice.backends
    ]


def _speed(
    grid: Grid, choices: list[Choice], baselines: Mapping[str, tuple[str, ...]], matcher: Matcher
) -> list[Placed]:
    """Each pair against the first baseline of its cell; the baseline against itself shows the noise."""
    return [
        (
            Trial(
                measure="speed",
                cell=choice.subject,
                backend=backend,
                device=grid.device,
                dtype=grid.dtype,
                shape=own,
                versus=versus,
            ),
            match,
        )
        for shape in grid.speed
        for choice in choices
        for own, match in [matcher.shape(choice.cell, shape)]
        for backend in choice.backends
        for versus in baselines[str(choice.subject)][:1]
    ]
