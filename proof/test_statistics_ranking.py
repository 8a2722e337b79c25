"""Ranks and interquartile means hold what they promise and equal cells are not told apart: by simulation.

Scores and steps are drawn as trainings give them: solved or not, skewed, in evaluations of 25 steps, correlated between
the cells of a seed. All seeds are fixed.
"""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.differences import differences
from harness.ranking import ranks
from harness.resampling import intervals, quantiles, redrawn_means


def percent(shares):
    """By n: 93.1 (n = 3), 94.0 (n = 5)."""
    return ", ".join(f"{100 * share:.1f} (n = {n})" for n, share in shares.items())


def covers(found, true):
    return found.low - 1e-9 <= true <= found.high + 1e-9


SOLVED = {"solved or not": (0.2, 0.5, 0.8, 0.95), "seldom or often": (0.1, 0.3, 0.7, 0.9)}
"""How often each of the four cells solves."""


def scores(rng, kind, n):
    """Normalised scores [4, n], the cells of a seed correlated; "equal": all cells alike."""
    normal = (rng.standard_normal((4, n)) + 0.7 * rng.standard_normal(n)) / np.hypot(1, 0.7)
    better = np.array([0.50, 0.55, 0.60, 0.62])[:, None]
    if kind == "normal":
        return better + 0.05 * normal
    if kind == "skewed":
        return 1 - np.exp(0.6 * normal - 2.5) * (1.5 - better)
    if kind in SOLVED:
        rates = np.array(SOLVED[kind])[:, None]
        return np.where(stats.norm.cdf(normal) < rates, 0.99 + 0.003 * normal, 0.3 + 0.05 * normal)
    return np.clip(1 - 0.02 * np.exp(normal), 0, 1)


CASES = {
    "normal": ["normal"],
    "skewed": ["skewed"],
    "solved or not": ["solved or not"],
    "seldom or often": ["seldom or often"],
    "all equal": ["equal"],
    "3 tasks, one of each": ["normal", "skewed", "solved or not"],
    "3 tasks, all equal": ["equal"] * 3,
}


@pytest.fixture(scope="module")
def simulated():
    """By case and n: the shares of 400 runs in which the mean's and the rank's interval covered; NaN: none is given."""
    rng, found = np.random.default_rng(4), {}
    for case, tasks in CASES.items():
        large = np.concatenate([scores(rng, kind, 400_000) for kind in tasks], axis=1)
        true = stats.trim_mean(large, 0.25, axis=1)
        true = np.full(4, true.mean()) if set(tasks) == {"equal"} else true
        for n in (3, 5, 6, 10, 30):
            runs = [[scores(rng, kind, n) for kind in tasks] for _ in range(400)]
            found[case, n] = np.mean([covered(tables, true, rng) for tables in runs], axis=0)
    return found


def covered(tables, true, rng):
    """The shares of cells covered by the mean's interval, by the rank's, and by the mean's were it given for any n."""
    redrawn, places = redrawn_means(tables, rng, draws=1500), stats.rankdata(-true)
    forced = quantiles(redrawn, 0.025)
    return [
        share(intervals(tables, redrawn), true),
        share(ranks(tables, redrawn), places),
        np.mean((forced[0] <= true) & (true <= forced[1])),
    ]


def share(found, true):
    return np.nan if np.isnan(found[0].low) else np.mean([covers(*one) for one in zip(found, true, strict=True)])


def by_case(simulated, place):
    """Case: 93.1 (n = 10); where none is given, nothing."""
    parts = []
    for case in CASES:
        shares = {n: found[place] for (one, n), found in simulated.items() if one == case}
        given = {n: float(share) for n, share in shares.items() if np.isfinite(share)}
        parts.append(f"{case}: {percent(given)}")
    return "; ".join(parts)


def test_the_interquartile_mean_interval(prove, simulated):
    least = {n: min(found[2] for (_, size), found in simulated.items() if size == n) for n in (3, 5, 6)}
    prove(
        "An interquartile mean's 95 % interval (paired bootstrap) covers the true one, average of 4 cells",
        "93 % of runs or more; solved or not: 90 % at n = 30; none is given under n = 10",
        f"{by_case(simulated, 0)}; a plain percentile interval, were one given: least {percent(least)}",
    )
    for (case, n), (found, _, _) in simulated.items():
        bimodal = bool({*CASES[case]} & {*SOLVED})
        assert np.isnan(found) == (n < 10)
        assert n < 10 or (bimodal and n < 30) or found >= (0.9 if bimodal else 0.93), (case, n)


def test_the_rank_interval(prove, simulated):
    prove(
        "A rank's 95 % interval covers the true rank, average of 4 cells",
        "93 % of runs or more; none is given for one task under n = 6",
        by_case(simulated, 1),
    )
    for (case, n), (_, found, _) in simulated.items():
        assert np.isnan(found) == (n < 6 and "3 tasks" not in case)
        assert np.isnan(found) or found >= 0.93, (case, n)


def equal_cells(rng, kind, cells, n):
    """Outcomes [C, n] of cells that are alike; seeds act on all cells of a column."""
    normal = rng.standard_normal((cells, n)) + 0.7 * rng.standard_normal(n)
    return {
        "normal": normal,
        "skewed": np.exp(normal),
        "steps": np.ceil(250 * np.exp(0.15 * normal) / 25) * 25,
        "coarse steps": np.ceil(200 * np.exp(0.08 * normal) / 25) * 25,
        "solved or not": np.where(normal < 0.8, 300.0, 1000.0),
    }[kind]


ALIKE = ("normal", "skewed", "steps", "coarse steps", "solved or not")


RUNS = 1500
ALLOWED = 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
WANTED = f"5 % of runs, the simulation's error aside: {100 * ALLOWED:.1f} or fewer"


def false_alarms(decide, sizes):
    """By n: the greatest share of runs, over outcomes and 2 or 4 equal cells, in which any two were told apart."""
    rng, found = np.random.default_rng(5), {}
    for n in sizes:
        shares = []
        for kind in ALIKE:
            for cells in (2, 4):
                tables = (equal_cells(rng, kind, cells, n) for _ in range(RUNS))
                pairs = [*combinations(range(cells), 2)]
                shares.append(np.mean([decide([table[a] - table[b] for a, b in pairs]) for table in tables]))
        found[n] = max(shares)
    return found


def test_equal_cells_are_not_told_apart(prove):
    def decide(paired):
        return any(found.is_established for found in differences(paired))

    def by_interval(paired):
        return any(found.mean.excludes(0.0) for found in differences(paired))

    found, alone = false_alarms(decide, (3, 5, 6, 8, 10, 30)), false_alarms(by_interval, (3, 6))
    told = f"greatest of 5 outcomes and 2 or 4 cells: {percent(found)}"
    told += f"; by simultaneous t intervals alone: {percent(alone)}"
    prove("Equal cells told apart by sign flips with Holm's adjustment and t intervals together (A/A)", WANTED, told)
    assert max(found.values()) <= ALLOWED
