"""Groups that are compared with one another: one section a task, a model and a training."""

import dataclasses
import math
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any

from harness.matching import Match
from harness.record import Status
from harness.report.groups import Group
from harness.report.wording import count, setting
from harness.settings import ModelSettings, TrainingSettings
from harness.store import RunView
from harness.trial import Measure, Trial

QUESTION = attrgetter(*(field.name for field in fields(Trial) if field.name != "seed"))


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
    def trials(self) -> tuple[tuple[str, ...], ...]:
        """The trials' ids, group by group."""
        return tuple(tuple(trial.id for trial in group.trials) for group in self.groups)

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
    plain = dataclasses.asdict(training) if training else {}
    return tuple((name, value) for name, value in plain.items() if name != "learning_rate")


def _model(model: ModelSettings | None, hidden: set[int]) -> str:
    model = model or ModelSettings()
    parts = ["H " + "–".join(str(H) for H in sorted({min(hidden), max(hidden)}))]
    parts += [f"{model.layers} layers"] if model.layers > 1 else []
    parts += ["bidirectional"] if model.bidirectional else []
    parts += [f"dropout {setting(model.dropout)}"] if model.dropout else []
    parts += ["attention"] if model.attention else []
    return ", ".join(parts)
