"""Which cell is first: ranks with intervals, and sets of cells that the seeds do not tell apart.

`scores` as in `harness.resampling`: one table [C, n] a task, higher is better, cells paired by seed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from harness.differences import differences
from harness.resampling import interquartile_means, intervals, quantiles, redrawn_means, tail
from harness.statistics import LEVEL, Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a cell stands: its interquartile mean, its rank by it (1 is best), and how often it came first.

    `groups`: the numbers of the tied sets it belongs to, counted from the best.
    """

    score: Estimate
    rank: Estimate
    first: float
    groups: tuple[int, ...]


def standings(scores: Sequence[NDArray[Any]], rng: np.random.Generator, *, level: float = LEVEL) -> list[Standing]:
    """Every cell's standing, from one paired bootstrap over seeds and one family of paired tests."""
    redrawn = redrawn_means(scores, rng)
    estimates = intervals(scores, redrawn, level=level)
    found = ranks(scores, redrawn, level=level)
    first = first_shares(redrawn)
    sets = tied_sets(separated(scores))
    sets = sorted(sets, key=lambda tied: min(found[cell].value for cell in tied))
    return [
        Standing(
            score=score,
            rank=rank,
            first=float(share),
            groups=tuple(place for place, tied in enumerate(sets) if cell in tied),
        )
        for cell, (score, rank, share) in enumerate(zip(estimates, found, first, strict=True))
    ]


def ranks(scores: Sequence[NDArray[Any]], redrawn: NDArray[Any], *, level: float = LEVEL) -> list[Estimate]:
    """Each cell's rank by its interquartile mean, equal ones sharing the mean of theirs, with a rank interval.

    `redrawn` [C, draws], of which each draw is ranked anew. Equal cells have each other's places within their
    intervals, which are rounded outwards to whole ranks, and NaN where the seeds are too few for one.
    """
    values = stats.rankdata(-interquartile_means(scores))
    cut = tail(scores, level=level)
    low, _ = quantiles(stats.rankdata(-redrawn, axis=0, method="min"), cut)
    _, high = quantiles(stats.rankdata(-redrawn, axis=0, method="max"), cut)
    n = sum(table.shape[1] for table in scores)
    return [
        Estimate(value=float(value), low=float(np.floor(least)), high=float(np.ceil(most)), n=n)
        for value, least, most in zip(values, low, high, strict=True)
    ]


def first_shares(redrawn: NDArray[Any]) -> NDArray[np.float64]:
    """P(best): the share of draws in which a cell came first; those who came first together share it. → [C]."""
    first = redrawn == redrawn.max(axis=0)
    return np.asarray((first / first.sum(axis=0)).mean(axis=1))


def separated(scores: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Between which two cells the seeds establish a difference, all pairs being one family. → [C, C].

    Every task weighs the same, however many seeds it has.
    """
    cells = len(scores[0])
    pairs = list(combinations(range(cells), 2))
    found = differences(
        [np.concatenate([(table[a] - table[b]) / table.shape[1] for table in scores]) for a, b in pairs]
    )
    apart = np.zeros((cells, cells), dtype=bool)
    for (a, b), difference in zip(pairs, found, strict=True):
        apart[a, b] = apart[b, a] = difference.is_established
    return apart


def tied_sets(apart: NDArray[np.bool_]) -> list[frozenset[int]]:
    """The largest sets of cells of which no two are told apart; a cell may be in several (Piepho 2004).

    `apart` [C, C], symmetric. Two cells share a set if and only if they are not told apart.
    """
    sets = {frozenset(range(len(apart)))}
    for a, b in zip(*np.nonzero(np.triu(apart)), strict=True):
        split = {part for one in sets if {a, b} <= one for part in (one - {a}, one - {b})}
        sets = {one for one in sets if not {a, b} <= one} | split
        sets = {one for one in sets if not any(one < other for other in sets)}
    return sorted(sets, key=sorted)
