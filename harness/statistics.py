"""Plain arrays in, estimates with intervals out. All intervals are 95 % unless `level` says otherwise."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
MOST_EXACT = 16
"""Up to so many differences all signs are tried, beyond them `FLIPS` random ones."""
FLIPS = 10_000


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


UNKNOWN = Estimate(value=float("nan"), low=float("nan"), high=float("nan"), n=0)
"""Where there is nothing to estimate from."""


def proportion(successes: float, n: int, *, level: float = LEVEL) -> Estimate:
    """A rate with Wilson's interval (Wilson 1927): honest at 0/n and n/n. A success may count half."""
    rate, z = successes / n, float(stats.norm.ppf(0.5 + level / 2))
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z * np.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return Estimate(value=rate, low=max(float(middle - half), 0.0), high=min(float(middle + half), 1.0), n=n)


def mean(samples: NDArray[Any], *, level: float = LEVEL) -> Estimate:
    """The mean with Student's t interval; with one sample the interval is everything."""
    samples = np.asarray(samples, dtype=float)
    value, n = float(samples.mean()), len(samples)
    if n < 2:
        return Estimate(value=value, low=-np.inf, high=np.inf, n=n)
    half = float(stats.t.ppf(0.5 + level / 2, n - 1) * samples.std(ddof=1) / np.sqrt(n))
    return Estimate(value=value, low=value - half, high=value + half, n=n)


def median(samples: NDArray[Any], *, level: float = LEVEL) -> Estimate:
    """The median with its interval by order statistics (Thompson 1936), whatever the samples' distribution.

    NaN where the samples are too few for one: at 95 %, fewer than six. No samples have no median either.
    """
    samples = np.asarray(samples, dtype=float)
    if not len(samples):
        return UNKNOWN
    low, high = np.array(stats.quantile_test(samples, p=0.5).confidence_interval(level))
    return Estimate(value=float(np.median(samples)), low=float(low), high=float(high), n=len(samples))


def typical(samples: NDArray[Any]) -> Estimate:
    """The median over processes of a process's median, with its interval over processes. `samples`: [processes, …]."""
    return median(np.median(samples.reshape(len(samples), -1), axis=1))


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


def sign_flip(differences: NDArray[Any], rng: np.random.Generator) -> float:
    """The two-sided p of a sign-flip test on paired differences (Fisher 1935); 1 where all are zero.

    Were the two sides alike, every difference could as well have the other sign. Exact over all 2ⁿ signs up to n = 16,
    where the least possible p is 2 / 2ⁿ; beyond that over random signs, drawn from `rng`, with the observed one among
    them (Phipson & Smyth 2010).
    """
    differences = np.asarray(differences, dtype=float)
    n, total = len(differences), differences.sum()
    exact = n <= MOST_EXACT
    turned = np.arange(2**n)[:, None] >> np.arange(n) & 1 if exact else rng.integers(2, size=(FLIPS, n), dtype=np.int8)
    sums = np.abs(total - 2 * (turned.astype(float) @ differences))
    observed = abs(total) - 1e-12 * np.abs(differences).sum()  # sums in another order round otherwise
    extreme = int(np.sum(sums >= observed))
    return extreme / 2**n if exact else (1 + extreme) / (1 + FLIPS)


def holm(p_values: NDArray[Any]) -> NDArray[np.float64]:
    """p values of one family, adjusted so that all decisions hold together (Holm 1979). [m] → [m]."""
    p_values = np.asarray(p_values, dtype=float)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(order), 0, -1))
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def superiority(a: NDArray[Any], b: NDArray[Any], *, level: float = LEVEL) -> Estimate:
    """P(A > B): on what share of paired samples `a` is greater, a tie counting half (Bouthillier et al. 2021).

    With Wilson's interval: a bootstrap of n wins out of n would leave no doubt at all.
    """
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    return proportion(float(np.sum(a > b) + np.sum(a == b) / 2), len(a), level=level)
