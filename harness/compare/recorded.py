"""Two cells by their recorded trainings: paired by seed, in every section of a run that has both."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from harness import statistics
from harness.compare.claims import Claim
from harness.differences import differences, fewest_seeds
from harness.errors import HarnessError
from harness.report.comparing import bounded_scores, capped_steps, paired
from harness.report.groups import Group, Numbers
from harness.report.sections import Section, sections
from harness.report.wording import plain_name
from harness.spelling import Spelling
from harness.store import RunView

Sides = tuple[Group, Group]


def compare_recorded(a: Spelling, b: Spelling, run: RunView) -> Iterator[Claim]:
    """A claim a section and figure: the leading test score, and the steps to solve where either solved at all.

    Raises HarnessError where no section of the run has both cells.
    """
    found = [(section, _group(section, a), _group(section, b)) for section in sections(run)]
    pairs = [(section, (ours, theirs)) for section, ours, theirs in found if ours is not None and theirs is not None]
    if not pairs:
        raise HarnessError(
            f"wanted recorded trainings of {a} and {b}, found none of both in {run.name}",
            hint=f"harness run --cells {a.name},{b.name} --measures accuracy --accuracy-on {a.backend or 'auto'}",
        )
    for section, sides in pairs:
        rest, metric = _where(section, sides, run), sides[0].primary
        bounded = sum(int(np.sum(group.scores(metric) != bounded_scores(group))) for group in sides)
        details = {"better": "higher" if sides[0].higher_is_better else "lower", "bounded": bounded}
        yield _claim(sides, bounded_scores, plain_name(metric), rest | details)
        if any(group.solved for group in sides):
            yield _claim(sides, capped_steps, "steps to solve", rest | {"better": "lower", "budget": sides[0].budget})


def _group(section: Section, wanted: Spelling) -> Group | None:
    for group in section.chosen:
        same = group.cell == str(Spelling(wanted.name, wanted.options))
        if same and wanted.backend in (None, group.trial.backend) and group.n:
            return group
    return None


def _where(section: Section, sides: Sides, run: RunView) -> dict[str, Any]:
    """What the claims of a section rest on: how many trainings of how many, and whose machines made them."""
    made = Counter(run.machines.get(record.id) or "unknown" for group in sides for record in group.records)
    counted = {
        f"{side}_{name}": getattr(group, of_group)
        for side, group in zip("ab", sides, strict=True)
        for name, of_group in (("seeds", "n"), ("planned", "planned"), ("diverged", "diverged"))
    }
    return {"task": section.task, "setting": section.setting, "machines": dict(made), **counted}


def _claim(sides: Sides, samples: Callable[[Group], Numbers], name: str, details: dict[str, Any]) -> Claim:
    """The mean of the differences A − B over the seeds that both have.

    Better or worse only where the difference is established (`harness.differences`) and nothing stands against it.
    """
    ours, theirs = sides
    (difference,) = differences([paired(theirs, ours, samples)])
    reason = "; ".join(_obstacles(sides, samples, difference.mean.n))
    decided = difference.is_established and not reason
    better = (difference.mean.value > 0) == (details["better"] == "higher")
    return Claim(
        kind="accuracy",
        a=ours.trial.pair,
        b=theirs.trial.pair,
        measure=name,
        where=details["task"],
        estimate=difference.mean,
        verdict=("better" if better else "worse") if decided else "undecided",
        reason=reason,
        sides=(statistics.median(samples(ours)), statistics.median(samples(theirs))),
        unit="median",
        details={**details, "p": difference.p},
    )


def _obstacles(sides: Sides, samples: Callable[[Group], Numbers], n: int) -> Iterator[str]:
    """What keeps two sides from being told apart: a cell that lacks trainings may have kept the lucky ones."""
    for group in sides:
        if not group.is_complete:
            yield f"{group.n} of {group.planned} seeds of {group.trial.pair} have a result"
        if not np.isfinite(samples(group)).all():
            lost = f"{group.diverged} of {group.n} seeds of {group.trial.pair} diverged"
            yield lost if group.diverged else f"a score of {group.trial.pair} is no finite number"
    if n < fewest_seeds():
        yield f"n = {n}: too few seeds ({fewest_seeds()} at least)"
