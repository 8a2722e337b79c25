"""Cells compared in pairs, seed by seed: who may be compared, by which numbers, and what is established."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness.differences import Difference, differences
from harness.report.groups import Group, Numbers
from harness.report.sections import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two groups and how much `more` exceeds `less`, over paired seeds."""

    less: Group
    more: Group
    difference: Difference


def comparable(section: Section) -> list[Group]:
    """The groups whose every planned training came to an end: those of a cell that lacks some may be the lucky ones."""
    return [group for group in section.chosen if group.n and group.is_complete]


def capped_steps(group: Group) -> Numbers:
    """By record: the steps to solve, the budget where it did not; a training that diverged did not."""
    return np.minimum(group.steps_to_solve(), group.budget)


def bounded_scores(group: Group) -> Numbers:
    """By record: the leading test score; what is worse than the memoryless baseline counts as the baseline.

    So does a training that diverged: it learnt nothing, and a mean has no use for the worst score there is. Where the
    metric has no scale from baseline to perfect, scores stay as they are, and the worst one is infinite.
    """
    found, baseline = group.scores(group.primary), group.baseline(group.primary)
    if not has_scale(group):
        return found
    return np.maximum(found, baseline) if group.higher_is_better else np.minimum(found, baseline)


def has_scale(group: Group) -> bool:
    """Whether the leading score lies on a scale from the memoryless baseline to `perfect`, none beyond it."""
    found, baseline = group.scores(group.primary), group.baseline(group.primary)
    if group.higher_is_better:
        return bool(baseline < perfect(group) and (found <= perfect(group)).all())
    return bool(baseline > perfect(group) and (found >= perfect(group)).all())


def perfect(group: Group) -> float:
    """The leading score of a perfect answer: an error of 0, or a share of 1."""
    return 1.0 if group.higher_is_better else 0.0


def compare(groups: Sequence[Group], samples: Callable[[Group], Numbers]) -> list[Comparison]:
    """Every two groups by one number a seed, as one family; cells of a seed see the same data, hence pairs."""
    pairs = [_ordered(a, b, samples) for a, b in combinations(groups, 2)]
    found = differences([paired(less, more, samples) for less, more in pairs])
    return [Comparison(less=less, more=more, difference=one) for (less, more), one in zip(pairs, found, strict=True)]


def paired(a: Group, b: Group, samples: Callable[[Group], Numbers]) -> Numbers:
    """b − a by seed, over the seeds that both have; NaN where both are infinite."""
    of_a, of_b = a.by_seed(samples(a)), b.by_seed(samples(b))
    shared = sorted(of_a.keys() & of_b.keys())
    with np.errstate(invalid="ignore"):
        return np.array([of_b[seed] for seed in shared]) - np.array([of_a[seed] for seed in shared])


def _ordered(a: Group, b: Group, samples: Callable[[Group], Numbers]) -> tuple[Group, Group]:
    """The two, the one with less first."""
    with np.errstate(invalid="ignore"):
        return (b, a) if paired(a, b, samples).sum() < 0 else (a, b)
