"""Which paired differences are established: one rule for findings, tables and `harness compare`.

A difference is established where two tests agree on it, each holding for its whole family: the exact sign-flip test
with Holm's adjustment, which presumes nothing of the differences but that they could as well have the other sign, and
Student's simultaneous interval, which says by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.statistics import LEVEL, Estimate, holm, mean, sign_flip


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The mean of paired differences with its simultaneous interval, and p of the sign-flip test, alone and by Holm."""

    mean: Estimate
    p: float
    p_holm: float

    @property
    def is_established(self) -> bool:
        """Whether both tests exclude that there is none."""
        return self.p_holm < 1 - LEVEL and self.mean.excludes(0.0)


def differences(family: Sequence[NDArray[Any]]) -> list[Difference]:
    """One difference for each array of paired differences, one number a seed; all of them hold together at 95 %.

    With m of them an interval is at 1 − 0.05 / m (Bonferroni). Where a number is not finite, or there is none, nothing
    is established: no mean, any interval, p = 1.
    """
    level = 1 - (1 - LEVEL) / max(len(family), 1)
    p_values = np.array([_p(paired) for paired in family])
    return [
        Difference(mean=_mean(paired, level), p=float(p), p_holm=float(adjusted))
        for paired, p, adjusted in zip(family, p_values, holm(p_values), strict=True)
    ]


def fewest_seeds(comparisons: int = 1) -> int:
    """The fewest seeds with which one of so many comparisons can be established: its least p is 2 / 2ⁿ.

    Six for one, eight for the six pairs of four cells, eleven for the 45 pairs of ten.
    """
    n = 1
    while 2 * 0.5**n * comparisons >= 1 - LEVEL:
        n += 1
    return n


def _p(paired: NDArray[Any]) -> float:
    """The same for equal differences wherever they are asked of: its signs are drawn from one stream."""
    return sign_flip(paired, seeds.stream(0, "sign flip")) if _is_known(paired) else 1.0


def _mean(paired: NDArray[Any], level: float) -> Estimate:
    if _is_known(paired):
        return mean(paired, level=level)
    return Estimate(value=np.nan, low=-np.inf, high=np.inf, n=len(paired))


def _is_known(paired: NDArray[Any]) -> bool:
    return len(paired) > 0 and bool(np.isfinite(paired).all())
