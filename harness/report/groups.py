"""Trainings that belong together: one group a cell and setting over its seeds, one section a task."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.censoring import restricted_mean
from harness.matching import Match
from harness.record import Record, Status
from harness.report.wording import count, setting
from harness.settings import ModelSettings, TrainingSettings
from harness.statistics import Estimate
from harness.store import RunView
from harness.trial import Measure, Trial

Numbers = NDArray[np.float64]
QUESTION = attrgetter(*(field.name for field in fields(Trial) if field.name != "seed"))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The groups on one task with one model and one training, learning rates aside.

    Where hidden sizes were matched, a section is what was matched to one size of the reference. `task`: as sentences
    name it, with what the cells have alike.
    """

    task: str
    groups: tuple[Group, ...]

    @property
    def name(self) -> str:
        """The task without its options."""
        task = self.groups[0].trial.task
        return task.name if task else self.task

    @property
    def chosen(self) -> tuple[Group, ...]:
        """One group a cell and backend."""
        return tuple(group for group in self.groups if group.chosen)

    @property
    def learning_rates(self) -> tuple[float, ...]:
        """All that were planned."""
        return tuple(dict.fromkeys(group.training.learning_rate for group in self.groups))

    @property
    def several_backends(self) -> bool:
        """Whether a cell was trained on more than one."""
        chosen = self.chosen
        return len({group.cell for group in chosen}) < len(chosen)

    @property
    def match(self) -> Match | None:
        """What the cells' hidden sizes were solved for; the groups differ only in what was found."""
        return self.groups[0].match

    @property
    def setting(self) -> str:
        """Model and training in a few words."""
        rates = self.learning_rates
        told = f"learning rate {setting(rates[0])}" if len(rates) == 1 else f"{len(rates)} learning rates"
        training = self.groups[0].training
        model = _model(self.groups[0].trial.model, {group.trial.hidden or 0 for group in self.groups})
        return f"{model}, batch {training.batch}, ≤ {count(training.steps)} steps, {told}"

    def label(self, group: Group) -> str:
        """The cell, and the backend where a cell has several."""
        return group.trial.pair if self.several_backends else group.cell


def sections(run: RunView, measure: Measure = "accuracy") -> list[Section]:
    """The trials of a run that ask something of cells on tasks, in plan order."""
    trials: dict[tuple[Any, ...], list[Trial]] = {}
    for trial in run.planned:
        if trial.measure == measure:
            for match in run.places(trial):
                trials.setdefault((QUESTION(trial), match), []).append(trial)
    found: dict[Any, list[Group]] = {}
    for (_, match), same in trials.items():
        answered = (run.records.get(trial.id) for trial in same)
        ended = tuple(r for r in answered if r is not None and r.status in (Status.OK, Status.DIVERGED))
        task = str(same[0].task) if match is None else f"{same[0].task} ({match})"
        key = (task, _as_planned(same[0].model, match), _without_rate(same[0].training))
        found.setdefault(key, []).append(Group(trials=tuple(same), records=ended, match=match))
    return [Section(task=key[0], groups=tuple(_choose(groups))) for key, groups in found.items()]


def _choose(groups: list[Group]) -> list[Group]:
    """Marks, for every cell on its backend, the learning rate with the best mean validation score."""
    contests: dict[str, list[Group]] = {}
    for group in groups:
        contests.setdefault(group.trial.pair, []).append(group)
    best = {pair: min(contest, key=_validation) for pair, contest in contests.items()}
    return [replace(group, chosen=group is best[group.trial.pair]) for group in groups]


def _validation(group: Group) -> tuple[float, int]:
    """Lower is better: the mean validation score, then how many diverged."""
    if not group.n:
        return math.inf, 0
    score = float(group.scores(group.primary, "validation").mean())
    return (-score if group.higher_is_better else score), group.diverged


def _as_planned(model: ModelSettings | None, match: Match | None) -> ModelSettings | None:
    """The model before its hidden size was solved for."""
    return replace(model, hidden=match.hidden) if model and match else model


def _without_rate(training: TrainingSettings | None) -> tuple[tuple[str, Any], ...]:
    plain = asdict(training) if training else {}
    return tuple((name, value) for name, value in plain.items() if name != "learning_rate")


def _model(model: ModelSettings | None, hidden: set[int]) -> str:
    model = model or ModelSettings()
    parts = ["H " + "–".join(str(H) for H in sorted({min(hidden), max(hidden)}))]
    parts += [f"{model.layers} layers"] if model.layers > 1 else []
    parts += ["bidirectional"] if model.bidirectional else []
    parts += [f"dropout {setting(model.dropout)}"] if model.dropout else []
    parts += ["attention"] if model.attention else []
    return ", ".join(parts)


def _text(records: Iterable[Record], name: str) -> str:
    """A value that all records share, as text."""
    for record in records:
        if name in record.values:
            return str(record.values[name].value)
    return ""
