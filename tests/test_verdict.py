import math

import numpy as np
import pytest
from scipy import stats

from harness.compare.claims import Claim
from harness.doctor import noise_of
from harness.measures.conditions import Conditions, quiet_cores
from harness.noise import greatest
from harness.statistics import Estimate, detectable, ratio
from harness.verdict import findable, judge


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.03, 1.07, "faster"),
        (0.91, 0.96, "slower"),
        (0.99, 1.01, "same"),
        (1.001, 1.015, "same"),
        (0.985, 0.995, "same"),
        (0.99, 1.05, "undecided"),
        (0.5, 2.0, "undecided"),
        (1.01, 1.03, "faster"),
        (0.0, math.inf, "undecided"),
        (math.nan, math.nan, "undecided"),
    ],
)
def test_the_interval_decides(low, high, verdict):
    assert judge(Estimate(value=(low + high) / 2, low=low, high=high, n=8), 0.02) == verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.03, 1.07, "undecided"),
        (1.06, 1.09, "faster"),
        (0.92, 0.96, "undecided"),
        (0.92, 0.95, "slower"),
        (0.99, 1.01, "same"),
    ],
)
def test_a_difference_within_the_noise_of_the_machine_is_undecided(low, high, verdict):
    assert judge(Estimate(value=(low + high) / 2, low=low, high=high, n=8), 0.02, noise=0.05) == verdict


def test_the_noise_is_the_greatest_difference_of_equals_to_either_side():
    assert greatest([1.1, 0.8, 1.02]) == pytest.approx(0.25)
    assert greatest([1.1, 0.95]) == pytest.approx(0.1)
    assert greatest([math.nan, math.inf, 0.0]) == greatest([]) == 0.0


@pytest.mark.parametrize("verdict", ["faster", "slower"])
def test_both_verdicts_on_equals_are_false_alarms(verdict):
    sides = (Estimate(value=1.0, low=1.0, high=1.0, n=8),) * 2
    claims = [
        Claim(
            kind="speed",
            a="a",
            b="a",
            measure="train",
            where="there",
            estimate=sides[0],
            verdict=word,
            sides=sides,
            unit="seconds",
            detectable=detectable,
            details={"disturbed": ""},
        )
        for word, detectable in ((verdict, 0.01), ("same", 0.03), ("undecided", 0.02))
    ]
    found = noise_of(claims, "f", 1)
    assert (found.false_alarms, found.verdicts, found.disturbed) == (1, 3, 0)
    assert (found.detectable, found.worst_detectable) == (0.02, 0.03)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_what_a_comparison_is_said_to_find_it_calls_different_nineteen_times_in_twenty(noise):
    rng, pairs, spread, called = np.random.default_rng(0), 8, 0.01, 0
    finds = findable(detectable(spread * stats.zscore(rng.normal(size=pairs), ddof=1)), noise)
    for _ in range(1000):
        called += judge(ratio(rng.normal(math.log1p(finds), spread, pairs)), 0.0, noise) == "faster"
    assert 0.92 <= called / 1000 <= 0.98


@pytest.mark.parametrize(("busy", "own", "load"), [(6.0, 4.0, 1.0), (4.0, 4.0, 0.0), (3.9, 4.0, 0.0)])
def test_other_load_is_what_others_kept_busy_a_second(busy, own, load):
    before = Conditions(clock=10.0, busy=100.0, stolen=0.0, own=7.0, throttled=0.0)
    after = Conditions(clock=12.0, busy=100.0 + busy, stolen=0.0, own=7.0 + own, throttled=0.0)
    assert after.since(before).other_load == load


def test_what_this_process_computes_is_no_other_load():
    before = Conditions.now()
    while (after := Conditions.now()).own < before.own + 0.3:
        sum(k * k for k in range(20_000))
    found = after.since(before)
    assert found.other_load * found.seconds <= max(0.0, after.busy - before.busy - 0.3) + 1e-9


def test_the_quiet_cores_are_cores_we_may_use():
    import os

    assert set(quiet_cores(0.02)) <= os.sched_getaffinity(0)
    assert quiet_cores(0.02)
