"""What of a grid run has a curve: its rows as samples, by point of the suite's grid."""

import math
from collections.abc import Iterable
from itertools import product

from harness.grid import load_grid
from harness.record import Record, Status
from harness.trial import Trial

SMALLEST = 1e-6
"""An error of exactly 0 would make every later one infinitely worse."""

Point = tuple[str, ...]
Samples = list[float] | None
"""One figure, or one a seed; None where one of them is no number: asv shows a failure."""
Figures = dict[str, dict[Point, Samples]]
"""By benchmark and point."""

ERROR = "runs.RunsAccuracy.track_error"
COSTS = {
    "speed": ("runs.RunsCosts.track_train_step", "train_seconds"),
    "memory": ("runs.RunsCosts.track_train_peak", "train_peak_bytes"),
}


def figures(records: Iterable[Record]) -> Figures:
    """The run's rows that answer what is tracked.

    Trainings count that were asked as the shipped quick grid asks: another budget would be another benchmark. Where a
    cell was trained on several backends, those on the first one count.
    """
    asked = _questions()
    errors: dict[Point, dict[int, float]] = {}
    backends: dict[Point, str] = {}
    found: Figures = {ERROR: {}, **{name: {} for name, _ in COSTS.values()}}
    for record in records:
        trial = record.trial
        if trial.measure in COSTS and record.status == Status.OK and trial.dtype == "float32" and trial.device == "cpu":
            name, value = COSTS[trial.measure]
            point = (str(trial.cell), trial.backend, str(trial.shape))
            found[name][point] = _samples([record.number(value)])
        elif trial.measure == "accuracy" and _question(trial) in asked and trial.seed is not None:
            learned = (str(trial.cell), str(trial.task))
            if backends.setdefault(learned, trial.backend) == trial.backend:
                errors.setdefault(learned, {})[trial.seed] = _error(record)
    found[ERROR] = {point: _samples([by_seed[seed] for seed in sorted(by_seed)]) for point, by_seed in errors.items()}
    return found


def _error(record: Record) -> float:
    """The test's leading score where less is better, 1 minus it where more is; NaN where there is none."""
    primary, better = (record.values[name].value if name in record.values else "" for name in ("primary", "better"))
    score = record.number(f"test.{primary}")
    return max(SMALLEST, 1 - score if better == "higher" else score) if math.isfinite(score) else math.nan


def _samples(values: list[float]) -> Samples:
    return values if all(map(math.isfinite, values)) else None


def _questions() -> set[object]:
    """What the quick grid's accuracy sections ask, but for cell and seed."""
    return {
        (str(section.task), model, training)
        for section in load_grid("quick").accuracy
        for model, training in product(section.models, section.trainings)
    }


def _question(trial: Trial) -> object:
    return str(trial.task), trial.model, trial.training
