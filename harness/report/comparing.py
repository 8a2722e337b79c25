"""Which differences between cells the seeds support: paired differences with simultaneous intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from harness import statistics
from harness.report.groups import Group, Numbers
from harness.statistics import Estimate

FEWEST_SEEDS = 6
"""Steps are counted in evaluations: three differences are equal by chance, and their interval then has no width. With
six at least, even a test that presumes nothing of the differences could find one at 95 % (2 / 2⁶ < 0.05)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two groups and how much `more` exceeds `less`: the mean difference over paired seeds with its interval."""

    less: Group
    more: Group
    difference: Estimate

    @property
    def is_decided(self) -> bool:
        """Whether the interval excludes no difference."""
        return self.difference.n >= FEWEST_SEEDS and self.difference.excludes(0.0)


def compare(groups: Sequence[Group], samples: Callable[[Group], Numbers]) -> list[Comparison]:
    """Every two groups by one finite number a seed; cells of a seed see the same data, hence pairs.

    The t intervals hold together at 95 % (Bonferroni): with m comparisons each one is at 1 − 0.05 / m.
    """
    pairs = list(combinations(groups, 2))
    return [_one(a, b, samples, 1 - (1 - statistics.LEVEL) / len(pairs)) for a, b in pairs]


def _one(a: Group, b: Group, samples: Callable[[Group], Numbers], level: float) -> Comparison:
    of_a, of_b = a.by_seed(samples(a)), b.by_seed(samples(b))
    shared = sorted(of_a.keys() & of_b.keys())
    if not shared:
        return Comparison(less=a, more=b, difference=Estimate(value=0.0, low=-np.inf, high=np.inf, n=0))
    difference = statistics.mean(np.array([of_b[seed] - of_a[seed] for seed in shared]), level=level)
    if difference.value >= 0:
        return Comparison(less=a, more=b, difference=difference)
    turned = Estimate(value=-difference.value, low=-difference.high, high=-difference.low, n=difference.n)
    return Comparison(less=b, more=a, difference=turned)
