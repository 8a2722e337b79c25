"""Estimates agree with scipy's, with published values and with what can be counted by hand."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from harness.censoring import restricted_mean
from harness.differences import differences, fewest_seeds
from harness.statistics import (
    detectable,
    hodges_lehmann,
    holm,
    mean,
    median,
    proportion,
    ratio,
    sign_flip,
    superiority,
    typical,
)

REMISSION = np.array([6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35.0])
"""Weeks of remission under 6-MP (Freireich et al. 1963): nine relapsed, twelve were lost to sight before."""
RELAPSED = np.arange(21) < 9


def rng():
    return np.random.default_rng(7)


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilsons_interval_is_scipys(counted):
    successes, n = counted
    found, wanted = proportion(successes, n), stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=1e-12)
    assert found.value == successes / n


@pytest.mark.parametrize("n", [2, 6, 8, 30])
def test_the_t_interval_is_scipys_and_a_ratios_is_that_of_its_logarithms(n):
    samples = np.random.default_rng(n).normal(0.05, 0.02, n)
    wanted = stats.ttest_1samp(samples, 0).confidence_interval(0.95)
    found, of_logs = mean(samples), ratio(samples)
    np.testing.assert_allclose([found.low, found.value, found.high], [wanted.low, samples.mean(), wanted.high])
    np.testing.assert_allclose(
        [of_logs.low, of_logs.value, of_logs.high], np.exp([wanted.low, found.value, wanted.high])
    )


def test_one_sample_is_no_interval():
    assert (mean(np.array([3.0])).low, mean(np.array([3.0])).high) == (-np.inf, np.inf)
    assert detectable(np.array([3.0])) == np.inf


def test_the_hodges_lehmann_estimate_is_the_median_of_all_means_of_two_each_sample_with_itself_too():
    assert hodges_lehmann(np.array([0.0, 1.0, 5.0])) == 1.75  # of 0, 0.5, 1, 2.5, 3, 5
    assert abs(hodges_lehmann(np.array([*np.linspace(-1, 1, 21), 1e6]))) < 0.1


def test_a_median_needs_six_samples_for_an_interval_and_typical_is_the_median_of_medians():
    assert np.isnan(median(np.arange(5.0)).low)
    found = typical(np.array([[k, k, 100.0] for k in range(6)]))
    assert (found.value, found.low, found.high, found.n) == (2.5, 0, 5, 6)


@pytest.mark.parametrize("n", [1, 2, 5, 8])
def test_the_sign_flip_p_is_the_share_of_all_signs_as_extreme(n):
    differences = rng().normal(0.4, 1, n)
    sums = [abs(np.dot(signs, differences)) for signs in itertools.product([-1, 1], repeat=n)]
    wanted = np.mean([one >= abs(differences.sum()) - 1e-9 for one in sums])
    assert sign_flip(differences, rng()) == wanted


def test_the_sign_flip_p_is_scipys_exactly_up_to_16_and_nearly_beyond():
    for n, tolerance in ((12, 1e-12), (16, 1e-12), (17, 0.015), (25, 0.015)):
        differences = rng().normal(0.3, 1, n)
        wanted = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", vectorized=True, n_resamples=2**17, rng=0
        )
        assert sign_flip(differences, rng()) == pytest.approx(wanted.pvalue, abs=tolerance)


def test_the_least_sign_flip_p_of_five_seeds_is_above_a_twentieth_and_of_six_below():
    assert sign_flip(np.arange(1.0, 6.0), rng()) == 2 / 2**5
    assert sign_flip(np.arange(1.0, 7.0), rng()) == 2 / 2**6
    assert sign_flip(np.full(40, 0.1), rng()) == pytest.approx(1 / 10_001)


def test_no_difference_has_p_one():
    assert sign_flip(np.zeros(6), rng()) == 1
    assert sign_flip(np.zeros(30), rng()) == 1
    assert sign_flip(np.array([]), rng()) == 1


def test_rounding_does_not_make_a_difference_less_extreme_than_itself():
    tenths = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.7])
    assert sign_flip(tenths, rng()) == sign_flip(10 * tenths, rng()) == 2 / 2**7


def test_holms_adjustment_is_that_of_his_paper_and_never_beats_the_order():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.5])) == pytest.approx([1.0, 1.0])
    assert len(holm(np.array([]))) == 0


def test_superiority_counts_a_tie_half_and_keeps_doubt_after_n_wins_of_n():
    found = superiority(np.array([3, 2, 1, 5]), np.array([1, 2, 3, 4]))
    assert found.value == (2 + 0.5) / 4
    sure = superiority(np.ones(6), np.zeros(6))
    assert (sure.value, sure.high) == (1, 1)
    assert sure.low == pytest.approx(0.61, abs=0.001)
    assert superiority(np.full(3, math.inf), np.full(3, math.inf)).value == 0.5


def test_with_nobody_lost_the_restricted_mean_is_the_mean_of_capped_steps():
    steps = np.array([300.0, 450, 1000, 725, 1000])
    assert restricted_mean(steps, steps < 1000, 1000).value == pytest.approx(steps.mean())
    assert restricted_mean(2 * steps, steps < 1000, 1000).value == pytest.approx(np.minimum(2 * steps, 1000).mean())


def test_with_some_lost_early_the_restricted_mean_is_the_published_one():
    # R's survival gives 23.29 for these data up to 35 weeks; lifelines 0.30 gives both figures.
    assert restricted_mean(REMISSION, RELAPSED, 35).value == pytest.approx(23.287394957983185)
    assert restricted_mean(REMISSION, RELAPSED, 20).value == pytest.approx(16.116526610644254)


def test_a_training_lost_early_is_neither_a_success_nor_a_failure():
    solved = np.array([True, True, False])
    lost = restricted_mean(np.array([200.0, 400, 1]), solved, 1000)
    assert lost.value == pytest.approx(300)
    assert (
        lost.value
        < restricted_mean(np.array([200.0, 400, 300]), solved, 1000).value
        < restricted_mean(np.array([200.0, 400, 1000]), solved, 1000).value
    )


def test_where_none_solved_the_mean_is_the_budget_and_its_interval_the_rates():
    found = restricted_mean(np.full(6, 1000.0), np.zeros(6, bool), 1000)
    assert (found.value, found.high, found.n) == (1000, 1000, 6)
    assert found.low == pytest.approx(1000 * (1 - proportion(0, 6).high))


def test_who_solved_after_the_budget_did_not_solve_within_it():
    steps = np.array([300.0, 1100, 1200])
    solved = np.ones(3, bool)
    assert restricted_mean(steps, solved, 1000) == restricted_mean(steps, steps < 1000, 1000)
    assert solved.all()  # what was handed in is left as it was


def test_where_all_were_lost_nothing_is_known():
    found = restricted_mean(np.array([10.0, 20, 30]), np.zeros(3, bool), 1000)
    assert math.isnan(found.value)
    assert (found.low, found.high) == (0, 1000)


def test_where_all_solved_the_interval_ends_below_where_students_does():
    steps = np.array([200.0, 250, 300, 325])
    found = restricted_mean(steps, np.full(4, True), 1000)
    assert (found.value, found.low) == (pytest.approx(mean(steps).value), pytest.approx(mean(steps).low))


def test_after_three_solved_of_three_the_next_may_still_fail():
    steps = np.array([300.0, 310, 320])
    found = restricted_mean(steps, np.ones(3, bool), 1000)
    assert found.high > 310 + 0.5 * (1000 - 310)
    assert found.high > mean(steps).high
    one = restricted_mean(np.array([300.0]), np.ones(1, bool), 1000)
    assert one.low == 0
    assert one.high > 800


@given(
    st.lists(st.tuples(st.integers(1, 1200), st.booleans()), min_size=1, max_size=12),
    st.sampled_from([400.0, 1000.0]),
)
def test_a_restricted_mean_lies_within_its_interval_and_the_budget(trainings, budget):
    steps, solved = (np.array(part) for part in zip(*trainings, strict=True))
    found = restricted_mean(steps, solved, budget)
    assert 0 <= found.low <= found.high <= budget
    assert math.isnan(found.value) or found.low - 1e-9 <= found.value <= found.high + 1e-9


@pytest.mark.parametrize(
    ("paired", "why"),
    [
        ([0.5, 0.6, 0.7, 0.8, 0.9, -0.01], "signs: p is 0.0625, though the interval excludes 0"),
        ([0.01, 0.02, 0.02, 0.03, 0.01, 0.02, 0.01, 9.0], "the interval: one seed makes the mean"),
        ([0.5, 0.6, 0.7, 0.8, 0.9], "five seeds"),
        ([0.5, 0.6, 0.7, 0.8, 0.9, math.inf], "no finite number"),
        ([0.5, 0.6, 0.7, 0.8, 0.9, math.nan], "no number"),
        ([0.0] * 9, "no difference"),
        ([], "nothing"),
    ],
)
def test_a_difference_is_not_established_by_half_of_the_rule(paired, why):
    (found,) = differences([np.array(paired)])
    assert not found.is_established, why


def test_a_family_holds_together():
    clear = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.6])
    (alone,) = differences([clear])
    assert alone.is_established
    assert not any(one.is_established for one in differences([clear, clear]))
    assert differences([clear, clear])[0].mean.low < alone.mean.low
    (turned,) = differences([-clear])
    assert (turned.p, turned.mean.value) == (alone.p, -alone.mean.value)


@pytest.mark.parametrize(("pairs", "fewest"), [(1, 6), (2, 7), (6, 8), (10, 9), (25, 10), (45, 11)])
def test_the_fewest_seeds_are_those_whose_least_p_is_enough(pairs, fewest):
    assert fewest_seeds(pairs) == fewest
    clearest = [np.linspace(1, 2, fewest)] * pairs
    assert differences(clearest)[0].is_established
    assert not differences([one[1:] for one in clearest])[0].is_established
