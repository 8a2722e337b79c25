"""Trainings that belong together: a cell in one setting, over its seeds."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.censoring import restricted_mean
from harness.matching import Match
from harness.record import Record, Status
from harness.settings import TrainingSettings
from harness.statistics import Estimate
from harness.trial import Trial

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Trainings that differ in nothing but their seed.

    `trials`: all that were planned. `records`: those that came to an end, ok or diverged, by seed; a training that
    diverged is an answer, and the worst one. `chosen`: its learning rate is the cell's best on validation, or the
    only one. `match`: what its hidden size was solved for, None where that is the grid's own.
    """

    trials: tuple[Trial, ...]
    records: tuple[Record, ...]
    chosen: bool = True
    match: Match | None = None

    @property
    def trial(self) -> Trial:
        """Any of the trials; they differ in the seed alone."""
        return self.trials[0]

    @property
    def cell(self) -> str:
        """The cell's spelling."""
        return str(self.trial.cell)

    @property
    def training(self) -> TrainingSettings:
        """How all of them were trained."""
        assert self.trial.training is not None  # an accuracy trial has one
        return self.trial.training

    @property
    def planned(self) -> int:
        """N: the trials that were planned."""
        return len(self.trials)

    @property
    def n(self) -> int:
        """The trainings that came to an end."""
        return len(self.records)

    @property
    def diverged(self) -> int:
        """The trainings whose loss became infinite or no number."""
        return sum(record.status == Status.DIVERGED for record in self.records)

    @property
    def machines(self) -> set[str]:
        """The fingerprints of those on which trainings were made."""
        return {record.machine for record in self.records}

    @property
    def is_complete(self) -> bool:
        """Whether every planned training came to an end."""
        return self.n == self.planned

    @property
    def primary(self) -> str:
        """The metric that leads; empty where nothing came to an end."""
        return _text(self.records, "primary")

    @property
    def higher_is_better(self) -> bool:
        """The direction of the leading metric."""
        return _text(self.records, "better") == "higher"

    @property
    def budget(self) -> float:
        """The most optimiser steps a training may take."""
        return self.training.steps

    @property
    def has_criterion(self) -> bool:
        """Whether the task says when it is solved."""
        return any("solved" in record.values for record in self.records)

    @property
    def solved(self) -> int:
        """How many trainings solved the task."""
        return sum(bool(record.values["solved"].value) for record in self.records if "solved" in record.values)

    def numbers(self, name: str) -> Numbers:
        """A value of every record, NaN where a record lacks it."""
        return np.array([record.number(name) for record in self.records], dtype=float)

    def metrics(self) -> list[str]:
        """The task's metrics, the leading one first."""
        names = {n.partition(".")[2] for r in self.records for n in r.values if n.startswith(("test.", "baseline."))}
        return sorted(names, key=lambda name: (name != self.primary, name))

    def scores(self, metric: str, split: str = "test") -> Numbers:
        """A score of every record. Of a training that diverged the leading one is the worst there is, others are NaN.

        So is a score that is no finite number.
        """
        worst = (-math.inf if self.higher_is_better else math.inf) if metric == self.primary else math.nan
        diverged = np.array([record.status == Status.DIVERGED for record in self.records], dtype=bool)
        found = np.where(diverged, worst, self.numbers(f"{split}.{metric}"))
        return np.where(np.isfinite(found), found, worst)

    def baseline(self, metric: str) -> float:
        """The score without memory."""
        found = self.numbers(f"baseline.{metric}")
        return float(found[0]) if len(found) else math.nan

    def steps_to_solve(self) -> Numbers:
        """By record: the steps to solve, infinite where it did not."""
        found = self.numbers("steps_to_solved")
        return np.where(np.isnan(found), math.inf, found)

    def restricted_mean(self) -> Estimate:
        """The mean of the steps to solve, a training counting at most the budget; so does one that diverged."""
        steps = self.steps_to_solve()
        return restricted_mean(np.minimum(steps, self.budget), np.isfinite(steps), self.budget)

    def by_seed(self, samples: Numbers) -> dict[int, float]:
        """Numbers of the records, by seed."""
        return {record.trial.seed or 0: float(sample) for record, sample in zip(self.records, samples, strict=True)}


def _text(records: Iterable[Record], name: str) -> str:
    """A value that all records share, as text."""
    for record in records:
        if name in record.values:
            return str(record.values[name].value)
    return ""
