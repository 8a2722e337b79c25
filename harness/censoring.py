"""Steps to solve where some trainings never solved: their mean, restricted to the budget."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.statistics import LEVEL, Estimate, proportion


def restricted_mean(steps: NDArray[Any], solved: NDArray[np.bool_], budget: float, *, level: float = LEVEL) -> Estimate:
    """The mean of the steps to solve, a training counting at most the budget.

    `steps` [n]: until it solved or until nobody watched any longer; `solved` [n]: which of the two. With all others
    watched to the budget it is the mean of capped steps; with some lost before, the area under Kaplan & Meier's
    curve (1958) up to the budget, which presumes that the lost ones were like the rest: a training that diverged
    is not, it was watched to the budget. With all lost before, nothing is known: NaN, anything up to the budget.

    The mean is budget − rate × saved, with the rate of solving and the steps that a solving training saves. The
    interval joins Wilson's for the rate and Student's for the saved steps in quadrature (Zou & Donner 2008). A t
    interval over the capped steps would forget, after n solved of n, that the next training may fail.
    """
    within = np.asarray(solved, dtype=bool) & (np.asarray(steps) <= budget)
    steps = np.minimum(np.asarray(steps, dtype=float), budget)
    watched, n = int(np.sum(within | (steps >= budget))), len(steps)
    if not watched:
        return Estimate(value=np.nan, low=0.0, high=budget, n=n)
    curve = stats.ecdf(stats.CensoredData(uncensored=steps[within], right=steps[~within])).sf
    masses = -np.diff(curve.probabilities, prepend=1.0)
    rate = proportion(float(masses.sum()) * watched, watched, level=level)
    saved = _saved(budget - curve.quantiles, masses, int(within.sum()), budget, level)
    less, more = np.hypot(
        [saved.value * (rate.value - rate.low), saved.value * (rate.high - rate.value)],
        [rate.value * (saved.value - saved.low), rate.value * (saved.high - saved.value)],
    )
    total = rate.value * saved.value
    return Estimate(
        value=budget - total,
        low=max(budget - total - float(more), 0.0),
        high=min(budget - total + float(less), budget),
        n=n,
    )


def _saved(saved: NDArray[Any], masses: NDArray[Any], n: int, budget: float, level: float) -> Estimate:
    """The steps that the n solving trainings saved, weighted; what one alone or none saved might be anything."""
    if n == 0:
        return Estimate(value=budget, low=0.0, high=budget, n=0)
    value = float(masses @ saved / masses.sum())
    if n == 1:
        return Estimate(value=value, low=0.0, high=budget, n=1)
    variance = float(masses @ (saved - value) ** 2 / masses.sum()) / (n - 1)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1)) * variance**0.5
    return Estimate(value=value, low=max(value - half, 0.0), high=min(value + half, budget), n=n)
