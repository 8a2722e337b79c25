"""Interquartile means, ranks and tied sets: paired by seed, repeatable, and silent where seeds are too few."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.ranking import first_shares, ranks, separated, standings, tied_sets
from harness.resampling import interquartile_means, intervals, redrawn_means, tail

SCORES = np.array(
    [[0.09, 0.58, 0.48, 0.11, 0.43, 0.96], [0.24, 0.09, 0.16, 0.39, 0.59, 0.28], [0.8, 0.43, 0.73, 0.52, 0.74, 0.65]]
)
"""One cell on three tasks with six seeds."""


def rng(seed=3):
    return np.random.default_rng(seed)


def cells(*means, n=10, noise=0.05, shared=0.0, seed=1):
    """Scores [C, n] about given means; `shared` is what a seed does to all cells alike."""
    draw = rng(seed)
    return np.array(means)[:, None] + noise * draw.standard_normal((len(means), n)) + shared * draw.standard_normal(n)


def test_the_interquartile_mean_is_rliables():
    # rliable 1.2, metrics.aggregate_iqm, on the same runs and tasks.
    assert interquartile_means([task[None] for task in SCORES]) == pytest.approx([0.459])


def test_the_middle_half_forgets_one_failure_in_eight():
    table = np.array([[0.0, 1, 1, 1, 1, 1, 1, 1], [0.0, 0, 0, 0, 1, 1, 1, 1]])
    assert interquartile_means([table]) == pytest.approx([1.0, 0.5])


def test_redrawn_means_are_scipys_bootstrap():
    table = cells(0.5, n=12)
    ours = redrawn_means([table], rng(), draws=20_000)[0]
    theirs = stats.bootstrap(
        (table[0],), lambda x, axis: stats.trim_mean(x, 0.25, axis=axis), n_resamples=20_000, rng=rng()
    ).bootstrap_distribution
    assert ours.std() == pytest.approx(theirs.std(), rel=0.03)
    assert np.quantile(ours, [0.025, 0.975]) == pytest.approx(np.quantile(theirs, [0.025, 0.975]), abs=0.002)


def test_the_same_generator_gives_the_same_intervals_and_the_global_one_is_not_asked():
    table = cells(0.5, 0.6)
    np.random.seed(0)  # noqa: NPY002 - the claim is about the global generator
    first = redrawn_means([table], rng())
    np.random.seed(1)  # noqa: NPY002
    assert np.array_equal(first, redrawn_means([table], rng()))
    assert not np.array_equal(first, redrawn_means([table], rng(4)))


def test_a_draw_takes_the_same_seeds_for_all_cells():
    table = cells(0.5, n=10, shared=0.3)
    shifted = np.concatenate([table, table - 0.01])
    redrawn = redrawn_means([shifted, shifted], rng())
    assert redrawn[0] - redrawn[1] == pytest.approx(0.01)
    assert list(first_shares(redrawn)) == [1, 0]


def test_few_seeds_get_no_interval_and_several_tasks_make_up_for_it():
    assert math.isnan(tail([np.zeros((2, 5))]))
    assert math.isnan(tail([np.zeros((2, 1))] * 9))
    assert math.isnan(tail([np.zeros((2, 3))] * 2))
    assert tail([np.zeros((2, 3))] * 3) < tail([np.zeros((2, 6))] * 3) < tail([np.zeros((2, 30))] * 3) < 0.025
    for found in standings([cells(0.5, 0.9, n=5)], rng()):
        assert math.isfinite(found.score.value)
        assert math.isnan(found.score.low)
        assert math.isnan(found.rank.high)
    for found in standings([cells(0.5, 0.9, n=9)], rng()):
        assert math.isnan(found.score.low)
        assert math.isfinite(found.rank.low)


def test_an_interval_holds_its_value_and_narrows_with_seeds():
    widths = []
    for n in (10, 20, 80):
        table = cells(0.5, n=n)
        (found,) = intervals([table], redrawn_means([table], rng()))
        assert found.low <= found.value <= found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)


def test_clear_ranks_are_certain_and_equal_cells_share_theirs():
    found = standings([cells(0.2, 0.5, 0.8, n=12)], rng())
    assert [one.rank.value for one in found] == [3, 2, 1]
    assert [(one.rank.low, one.rank.high) for one in found] == [(3, 3), (2, 2), (1, 1)]
    assert [one.first for one in found] == [0, 0, 1]
    assert [one.groups for one in found] == [(2,), (1,), (0,)]
    same = np.repeat(cells(0.5, n=12), 3, axis=0)
    for one in standings([same], rng()):
        assert (one.rank.value, one.rank.low, one.rank.high) == (2, 1, 3)
        assert one.first == pytest.approx(1 / 3)
        assert one.groups == (0,)


def test_ranks_of_close_cells_have_intervals_that_hold_both_places():
    table = cells(0.50, 0.505, 0.9, n=12, noise=0.1)
    close, closer, far = ranks([table], redrawn_means([table], rng()))
    assert (close.low, close.high) == (closer.low, closer.high) == (2, 3)
    assert (far.low, far.high) == (1, 1)


def test_pairing_finds_what_noise_shared_by_a_seed_would_hide():
    table = cells(0.50, 0.53, n=12, noise=0.01, shared=0.3)
    shuffled = np.array([table[0], rng().permutation(table[1])])
    assert separated([table])[0, 1]
    assert not separated([shuffled])[0, 1]


def test_every_task_weighs_the_same_however_many_seeds_it_has():
    small = np.array([[1.0] * 3, [0.0] * 3])
    large = np.array([[0.0] * 12, [0.9] * 12]) + cells(0, 0, n=12, noise=0.01)
    assert separated([large])[0, 1]
    assert not separated([small, large])[0, 1]


def test_tied_sets_by_hand():
    apart = np.zeros((4, 4), dtype=bool)
    apart[0, 2] = apart[0, 3] = apart[1, 3] = True
    assert tied_sets(apart | apart.T) == [frozenset({0, 1}), frozenset({1, 2}), frozenset({2, 3})]


@given(
    st.integers(1, 7).flatmap(
        lambda n: st.tuples(
            st.just(n), st.sets(st.sampled_from([*combinations(range(n), 2)])) if n > 1 else st.just(set())
        )
    )
)
def test_two_cells_share_a_set_if_and_only_if_they_are_not_told_apart(drawn):
    n, pairs = drawn
    apart = np.zeros((n, n), dtype=bool)
    for a, b in pairs:
        apart[a, b] = apart[b, a] = True
    sets = tied_sets(apart)
    assert set().union(*sets) == set(range(n))
    for a, b in combinations(range(n), 2):
        assert any({a, b} <= one for one in sets) == ((a, b) not in pairs)
    assert not any(one < other for one in sets for other in sets)
