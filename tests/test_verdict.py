import math

import pytest

from harness.compare.claims import Claim, parse_condition
from harness.errors import HarnessError
from harness.measures.conditions import Conditions, quiet_cores
from harness.statistics import Estimate
from harness.verdict import judge


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


def claim(kind, value, low, high, verdict="slower"):
    return Claim(
        kind=kind,
        a="gru@numpy",
        b="gru@torch",
        measure="train",
        where="B1 T1 H1 I1",
        estimate=Estimate(value=value, low=low, high=high, n=8),
        verdict=verdict,
        sides=(1.0, value),
        unit="seconds",
    )


@pytest.mark.parametrize(
    ("condition", "found", "fails"),
    [
        ("slower:3%", claim("speed", 0.95, 0.94, 0.96), True),
        ("slower:3%", claim("speed", 0.95, 0.90, 0.99), False),
        ("slower:3%", claim("speed", 1.5, 1.4, 1.6), False),
        ("slower:3%", claim("memory", 0.5, 0.5, 0.5), False),
        ("larger:1%", claim("memory", 0.98, 0.98, 0.98), True),
        ("larger:1%", claim("memory", 0.995, 0.995, 0.995), False),
        ("undecided", claim("speed", 1.0, 0.9, 1.1, "undecided"), True),
        ("undecided", claim("speed", 1.0, 1.0, 1.0, "same"), False),
    ],
)
def test_a_condition_fails_only_where_the_whole_interval_breaks_it(condition, found, fails):
    assert parse_condition(condition).fails(found) is fails


@pytest.mark.parametrize("text", ["", "slower", "slower:3", "faster:3%", "slower:-1%", "larger: 1%x"])
def test_an_unknown_condition_is_refused_in_words(text):
    with pytest.raises(HarnessError, match="wanted slower:P%, larger:P% or undecided"):
        parse_condition(text)


def test_what_this_process_computes_is_no_other_load():
    before = Conditions.now()
    sum(k * k for k in range(1_000_000))
    found = Conditions.now().since(before)
    everything = Conditions.now()
    assert found.seconds > 0
    assert found.other_load <= (everything.busy - before.busy) / found.seconds


def test_the_quiet_cores_are_cores_we_may_use():
    import os

    assert set(quiet_cores(0.02)) <= os.sched_getaffinity(0)
    assert quiet_cores(0.02)
