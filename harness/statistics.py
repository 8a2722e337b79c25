"""Plain arrays in, estimates with intervals out. All intervals are 95 % unless `level` says otherwise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval and the number of independent samples behind it."""

    value: float
    low: float
    high: float
    n: int

    def excludes(self, value: float) -> bool:
        """Whether the whole interval lies on one side of `value`."""
        return self.low > value or self.high < value


def proportion(successes: int, n: int, *, level: float = LEVEL) -> Estimate:
    """A rate with Wilson's interval (Wilson 1927): honest at 0/n and n/n."""
    interval = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    return Estimate(value=successes / n, low=float(interval.low), high=float(interval.high), n=n)


def mean(samples: NDArray[Any], *, level: float = LEVEL) -> Estimate:
    """The mean with Student's t interval; with one sample the interval is everything."""
    samples = np.asarray(samples, dtype=float)
    value, n = float(samples.mean()), len(samples)
    if n < 2:
        return Estimate(value=value, low=-np.inf, high=np.inf, n=n)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * samples.std(ddof=1) / np.sqrt(n))
    return Estimate(value=value, low=value - half, high=value + half, n=n)


def ratio(log_ratios: NDArray[Any], *, level: float = LEVEL) -> Estimate:
    """A ratio from one log ratio per independent pair of processes: a t interval in log space."""
    estimate = mean(log_ratios, level=level)
    with np.errstate(over="ignore"):
        low, value, high = np.exp([estimate.low, estimate.value, estimate.high])
    return Estimate(value=float(value), low=float(low), high=float(high), n=estimate.n)


def detectable(log_ratios: NDArray[Any], *, level: float = LEVEL, power: float = 0.95) -> float:
    """The smallest relative difference that as many such pairs would find with the given power.

    (t_{1−α/2} + t_{power}) · s / √n, as a fraction (0.02 is 2 %); infinite with one sample.
    """
    samples = np.asarray(log_ratios, dtype=float)
    n = len(samples)
    if n < 2:
        return float("inf")
    quantiles = float(np.sum(stats.t.ppf([0.5 + level / 2, power], n - 1)))
    return float(np.expm1(quantiles * samples.std(ddof=1) / np.sqrt(n)))


def hodges_lehmann(samples: NDArray[Any]) -> float:
    """The median of all pairwise means (Hodges & Lehmann 1963): robust, and nearly as sharp as the mean."""
    samples = np.asarray(samples, dtype=float)
    i, j = np.triu_indices(len(samples))
    return float(np.median((samples[i] + samples[j]) / 2))


def sign_flip(differences: NDArray[Any]) -> float:
    """The exact two-sided p of a sign-flip test on paired differences; 1 where all are zero."""
    differences = np.asarray(differences, dtype=float)
    if len(differences) == 0 or not differences.any():
        return 1.0
    test = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=2**16, rng=0
    )
    return float(test.pvalue)
