"""Interquartile means over runs and tasks, and their bootstrap over seeds.

`scores` is one table [C, n] a task: C cells, higher is better, and in a column what they reached with one seed. A draw
takes seeds, task by task, and takes them for all cells, so that cells stay paired.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics import LEVEL, Estimate

Numbers = NDArray[np.float64]

DRAWS = 5_000
FEWEST_FOR_MEAN = 10
"""Seeds of every task for an interval of the mean: a cell that solves one time in four may well not do so in nine, and
what was not seen is not drawn."""
LEAST_FREEDOM = 5
"""Σ (n − 1) over the tasks for an interval of the rank, which needs less: cells must change places."""


def interquartile_means(scores: Sequence[NDArray[Any]]) -> Numbers:
    """The mean of the middle half of a cell's scores, all tasks pooled (Agarwal et al. 2021). → [C]."""
    return np.asarray(stats.trim_mean(np.concatenate(scores, axis=1), 0.25, axis=1))


def redrawn_means(scores: Sequence[NDArray[Any]], rng: np.random.Generator, *, draws: int = DRAWS) -> Numbers:
    """The interquartile means of redrawn seeds, drawn within each task. → [C, draws]."""
    parts = [table[:, rng.integers(table.shape[1], size=(draws, table.shape[1]))] for table in scores]
    return np.asarray(stats.trim_mean(np.concatenate(parts, axis=2), 0.25, axis=2))


def intervals(scores: Sequence[NDArray[Any]], redrawn: NDArray[Any], *, level: float = LEVEL) -> list[Estimate]:
    """Each cell's interquartile mean with its interval, NaN where a task has under `FEWEST_FOR_MEAN` seeds."""
    sizes = [table.shape[1] for table in scores]
    n, cut = sum(sizes), tail(scores, level=level) if min(sizes) >= FEWEST_FOR_MEAN else np.nan
    values = interquartile_means(scores)
    low, high = quantiles(redrawn, cut)
    return [
        Estimate(value=float(value), low=float(least), high=float(most), n=n)
        for value, least, most in zip(values, low, high, strict=True)
    ]


def quantiles(redrawn: NDArray[Any], cut: float) -> Numbers:
    """What lies at `cut` from below and from above, NaN where `cut` is. [C, draws] → [2, C]."""
    if np.isnan(cut):
        return np.full((2, len(redrawn)), np.nan)
    return np.asarray(np.quantile(redrawn, [cut, 1 - cut], axis=1))


def tail(scores: Sequence[NDArray[Any]], *, level: float = LEVEL) -> float:
    """The share to cut off at either side of what was redrawn; NaN where there is less than `LEAST_FREEDOM`.

    The plain (1 − level) / 2 gives intervals too narrow by √((n − 1) / n) and by the normal's quantile in the place of
    Student's; this share makes up for both (Hesterberg 2015, "expanded percentile").
    """
    sizes = np.array([table.shape[1] for table in scores])
    freedom = int(np.sum(sizes - 1))
    if sizes.min() < 2 or freedom < LEAST_FREEDOM:
        return float("nan")
    wider = np.sqrt(sizes.min() / (sizes.min() - 1))
    return float(stats.norm.cdf(wider * stats.t.ppf(0.5 - level / 2, freedom)))
