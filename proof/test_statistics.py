"""Intervals of ratios, rates and censored means cover the truth as often as they promise: by simulation.

Steps are drawn as trainings give them, in evaluations of 25, solved or not. All seeds are fixed; a share found has the
standard error of its simulation, two thirds of a point or less.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from harness.censoring import restricted_mean
from harness.statistics import mean, proportion, ratio, superiority

SIZES = (3, 5, 10, 30)
BUDGET = 1000.0


def covers(found, true):
    return found.low - 1e-9 <= true <= found.high + 1e-9


def percent(shares):
    """By n: 93.1 (n = 3), 94 (n = 5)."""
    return ", ".join(f"{100 * share:.1f} (n = {n})" for n, share in shares.items())


def test_the_ratio_interval(prove):
    rng, found = np.random.default_rng(1), {}
    noises: dict[str, Callable[[int], np.ndarray]] = {
        "normal": rng.standard_normal,
        "Student's t, 5": lambda n: rng.standard_t(5, n),
        "uniform": lambda n: rng.uniform(-1, 1, n),
        "skewed": lambda n: rng.gamma(4, 1, n) / 2 - 2,
    }
    for name, noise in noises.items():
        for n in (6, 8):
            hits = [covers(ratio(np.log(1.05) + 0.01 * noise(n)), 1.05) for _ in range(5000)]
            found[f"{name}, n = {n}"] = float(np.mean(hits))
    told = "; ".join(f"{name}: {100 * share:.1f}" for name, share in found.items())
    prove("A speed-up's 95 % interval (t over pairs, log space) covers the true ratio", "93 to 97 % of runs", told)
    assert all(0.93 <= share <= 0.97 for share in found.values())


def test_the_solve_rate_interval(prove):
    """Exact: summed over all outcomes, for true rates of 1 % to 99 %."""
    rates = np.arange(1, 100) / 100
    average, least = {}, {}
    for n in SIZES:
        found = [proportion(k, n) for k in range(n + 1)]
        shares = [
            sum(stats.binom.pmf(k, n, rate) for k, one in enumerate(found) if covers(one, rate)) for rate in rates
        ]
        average[n], least[n] = float(np.mean(shares)), min(shares)
    told = f"average {percent(average)}; least {percent(least)}"
    prove(
        "A solve rate's 95 % interval (Wilson) covers the true rate, rates of 1 to 99 %", "93 to 97 % on average", told
    )
    assert all(0.93 <= share <= 0.97 for share in average.values())


def trainings(rng, n, kind):
    """Steps until solved, in evaluations of 25, infinite where never."""
    rate, middle, spread = kind
    steps = np.ceil(middle * np.exp(spread * rng.standard_normal(n)) / 25) * 25
    return np.where(rng.random(n) < rate, steps, np.inf)


KINDS = [(rate, *steps) for rate in (0.05, 0.2, 0.5, 0.8, 0.9, 0.95, 1.0) for steps in ((300, 0.2), (500, 0.5))]
KINDS += [(1.0, 900, 0.6), (1.0, 100, 1.0)]


@pytest.mark.parametrize("lost", [False, True])
def test_the_restricted_mean_interval(prove, lost):
    """`lost`: half of the trainings are watched to a random step only."""
    rng = np.random.default_rng(2 + lost)
    ours, plain = {n: [] for n in SIZES}, {n: [] for n in SIZES}
    for kind in KINDS:
        true = float(np.minimum(trainings(rng, 400_000, kind), BUDGET).mean())
        for n in SIZES:
            hits = []
            for _ in range(1000):
                steps = trainings(rng, n, kind)
                watched = np.where(rng.random(n) < 0.5 * lost, rng.uniform(0, BUDGET, n), BUDGET)
                found = restricted_mean(np.minimum(steps, watched), steps <= watched, BUDGET)
                hits.append((covers(found, true), covers(mean(np.minimum(steps, watched)), true)))
            ours[n].append(np.mean([one for one, _ in hits]))
            plain[n].append(np.mean([other for _, other in hits]))
    least, least_plain = ({n: min(shares) for n, shares in one.items()} for one in (ours, plain))
    claim = (
        f"Mean steps up to the budget: the 95 % interval covers the true mean, {len(KINDS)} cases, solved by 5 to 100 %"
    )
    claim += ", half of them lost early" if lost else ""
    told = f"least of all cases {percent(least)}"
    told += "" if lost else f"; a t interval instead: {percent(least_plain)}"
    prove(claim, "90 % of runs or more; 93 % from n = 10", told)
    assert all(share >= (0.93 if n >= 10 else 0.9) for n, share in least.items())


def test_the_interval_of_superiority(prove):
    """Against the percentile bootstrap, which takes n wins of n for certainty."""
    rng = np.random.default_rng(8)
    rates, ours, theirs = (0.5, 0.7, 0.8, 0.9, 0.95), {}, {}
    for n in SIZES:
        shares = []
        for rate in rates:
            hits = []
            for _ in range(2000):
                wins = (rng.random(n) < rate).astype(float)
                redrawn = rng.binomial(n, wins.mean(), 1000) / n
                low, high = np.quantile(redrawn, [0.025, 0.975])
                hits.append((covers(superiority(wins, np.full(n, 0.5)), rate), low <= rate <= high))
            shares.append(np.mean(hits, axis=0))
        ours[n], theirs[n] = (float(one) for one in np.mean(shares, axis=0))
    told = f"average {percent(ours)}; a percentile bootstrap instead: {percent(theirs)}"
    prove("P(A > B)'s 95 % interval covers the true one, 50 to 95 %", "92 % of runs or more on average", told)
    assert all(share >= 0.92 for share in ours.values())
