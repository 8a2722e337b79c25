"""What a demonstration's records say, as values: every sentence and figure of the page is made from these."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import seeds, statistics
from harness.cell import Cell
from harness.errors import HarnessError
from harness.plugins import Catalog
from harness.report.curves import Curve, curve
from harness.report.gradient_curves import norms_of
from harness.report.groups import Group, Numbers
from harness.report.remembering import heard, is_trained, lags_of
from harness.report.sections import Section, sections
from harness.store import RunView
from harness.task import Batch, Criterion

CELLS = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}
BIASED = "lstm[forget_bias=1]"
EXAMPLES = 64
"""So many sequences are drawn, of which one is shown."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Hearing:
    """How far back a cell hears: of every seed the lag at which 1 % is left (infinite beyond the sequence).

    `norms`: [seeds, lags + 1], the share of a gradient at the last output that arrives; `memory`: the median of those
    lags at the cell's last state alone, the LSTM's c.
    """

    norms: Numbers
    horizons: Numbers
    memory: float

    @property
    def median(self) -> float:
        """The median lag at which 1 % is left; infinite where the sequence is too short to tell, NaN of nothing."""
        return float(np.median(self.horizons)) if len(self.horizons) else math.nan

    @property
    def least(self) -> float:
        """That of the seed that forgets first."""
        return float(self.horizons.min()) if len(self.horizons) else math.nan

    @property
    def most(self) -> float:
        """That of the seed that forgets last."""
        return float(self.horizons.max()) if len(self.horizons) else math.nan


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Told:
    """What the run says of one cell. `seeds`: by seed, whether it solved; `steps`: of those that did."""

    key: str
    name: str
    planned: int
    seeds: tuple[bool, ...]
    steps: Numbers
    errors: Numbers
    parameters: float
    curve: Curve | None
    courses: tuple[tuple[Numbers, Numbers], ...]
    before: Hearing
    after: Hearing

    @property
    def n(self) -> int:
        """The trainings that came to an end."""
        return len(self.seeds)

    @property
    def solved(self) -> int:
        """How many of them solved the task."""
        return sum(self.seeds)

    @property
    def always(self) -> bool:
        """Whether every training that was planned solved it."""
        return self.solved == self.planned > 0

    @property
    def median_steps(self) -> float:
        """Of the trainings that solved; NaN where none did."""
        return float(np.median(self.steps)) if len(self.steps) else math.nan

    @property
    def error(self) -> float:
        """The median error on the test, a training that diverged being the worst there is; NaN of nothing."""
        return float(np.median(self.errors)) if len(self.errors) else math.nan

    @property
    def rate(self) -> statistics.Estimate | None:
        """The share that solves, with Wilson's interval."""
        return statistics.proportion(self.solved, self.n) if self.n else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One sequence of the task: `numbers` and `marks`, [T]; the steps that are marked, from 1; the answer."""

    numbers: Numbers
    marks: Numbers
    answer: float

    @property
    def marked(self) -> list[int]:
        """Where the marks stand, from 1."""
        return [int(place) + 1 for place in np.flatnonzero(self.marks)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Story:
    """A run of the demonstration's grid. `told`: by cell; `biased`: the LSTM that begins with open forget gates."""

    run: str
    facts: Mapping[str, Any]
    length: int
    hidden: int
    batch: int
    learning_rate: float
    clip: float | None
    budget: int
    baseline: float
    criterion: Criterion
    sample: Sample
    backend: str
    cells: Mapping[str, Cell]
    told: Mapping[str, Told]
    biased: Hearing

    @property
    def lags(self) -> int:
        """The furthest back that a gradient was looked at."""
        return self.length - 1


def tell(run: RunView, catalog: Catalog) -> Story:
    """The story of a run. Raises HarnessError where the run is none of the demonstration's grid."""
    learning, hearing = sections(run), sections(run, "gradients")
    if len(learning) != 1 or not {*CELLS} <= {group.cell for group in learning[0].groups}:
        raise HarnessError(f"wanted a run of the grid demo, found {run.name}", hint="harness demo")
    section = learning[0]
    trial = section.groups[0].trial
    assert trial.task is not None and trial.model is not None  # noqa: PT018  # an accuracy trial has both
    task, training = catalog.task(trial.task.spelling), section.groups[0].training
    problem = task.problem()
    assert problem.solved is not None  # the adding problem's own
    stages = {is_trained(one): one for one in hearing}
    found = {key: _told(run, key, section, stages) for key in CELLS}
    batch = task.batch(seeds.stream(0, "demo", trial.task), EXAMPLES)
    return Story(
        run=run.name,
        facts=run.facts,
        length=len(batch.x),
        hidden=trial.model.hidden,
        batch=training.batch,
        learning_rate=training.learning_rate,
        clip=training.clip,
        budget=training.steps,
        baseline=task.baseline()[problem.metrics[0].name],
        criterion=problem.solved,
        sample=_sample(batch),
        backend=trial.backend,
        cells={key: catalog.cell(_group(section, key).trial.cell.spelling) for key in CELLS},
        told=found,
        biased=_hearing(run, stages.get(False), BIASED),
    )


def _sample(batch: Batch) -> Sample:
    """The first example that reads well: its figures add up as written, its marks stand apart and off the ends."""
    samples = [
        Sample(numbers=x[:, 0], marks=x[:, 1], answer=float(answer))
        for x, (answer,) in zip(batch.x.swapaxes(0, 1), batch.target, strict=True)
    ]
    return next(filter(_reads_well, samples), samples[0])


def _reads_well(sample: Sample) -> bool:
    length, (first, second) = len(sample.numbers), sample.marked
    written = [round(float(number), 2) for number in sample.numbers[sample.marks > 0]]
    apart = length / 8 < first < second - length / 4 < second < length * 7 / 8
    return apart and all(0.2 < number < 0.9 for number in written) and round(sum(written), 2) == round(sample.answer, 2)


def _told(run: RunView, key: str, section: Section, stages: Mapping[bool, Section]) -> Told:
    group = _group(section, key)
    steps = group.steps_to_solve()
    sizes = group.numbers("cell_parameters")
    return Told(
        key=key,
        name=CELLS[key],
        planned=group.planned,
        seeds=tuple(bool(solved) for solved in np.isfinite(steps)),
        steps=steps[np.isfinite(steps)],
        errors=group.scores(group.primary) if group.n else np.empty(0),
        parameters=float(sizes[0]) if len(sizes) else math.nan,
        curve=curve(run, group),
        courses=tuple(_courses(run, group)),
        before=_hearing(run, stages.get(False), key),
        after=_hearing(run, stages.get(True), key),
    )


def _courses(run: RunView, group: Group) -> Sequence[tuple[Numbers, Numbers]]:
    """Of every training its steps and scores, as far as they are numbers."""
    found = []
    for record in group.records:
        arrays = run.arrays(record.id)
        step, score = (arrays.get(name, np.empty(0)) for name in ("step", f"validation.{group.primary}"))
        if len(step) == len(score) and (known := np.isfinite(score)).any():
            found.append((step[known].astype(float), score[known].astype(float)))
    return found


def _hearing(run: RunView, section: Section | None, cell: str) -> Hearing:
    groups = [group for group in section.groups if group.cell == cell] if section else []
    if not groups or not heard(groups[0]):
        return Hearing(norms=np.empty((0, 0)), horizons=np.empty(0), memory=math.nan)
    (group,) = groups
    last = [name for name in heard(group)[0].values if name.startswith("horizon.")][-1]
    return Hearing(norms=norms_of(run, group), horizons=lags_of(group), memory=float(np.median(lags_of(group, last))))


def _group(section: Section, cell: str) -> Group:
    return next(group for group in section.groups if group.cell == cell)
