"""`--fail-if`: a gate fails or passes only where the whole interval says so, and says when it does neither."""

import math

import pytest

from harness.compare.claims import Claim
from harness.compare.conditions import parse_condition
from harness.errors import HarnessError
from harness.statistics import Estimate


def exactly(value):
    return Estimate(value=value, low=value, high=value, n=1)


def speed(low, high, noise=0.0, verdict="slower"):
    return claim("speed", (low, high), (exactly(1.0), exactly(1.0)), noise=noise, verdict=verdict)


def memory(ours, theirs):
    ratio = theirs / ours if ours else math.nan
    return claim("memory", (ratio, ratio), (exactly(ours), exactly(theirs)), verdict="larger")


def accuracy(low, high, verdict, better="lower", **changes):
    sides = exactly(0.2 + (low + high) / 2), exactly(0.2)
    return claim("accuracy", (low, high), sides, verdict=verdict, details={"better": better}, **changes)


def claim(kind, interval, sides, **changes):
    low, high = interval
    estimate = Estimate(value=(low + high) / 2, low=low, high=high, n=8)
    return Claim(
        kind=kind, a="a", b="b", measure="m", where="there", estimate=estimate, sides=sides, unit="unit", **changes
    )


@pytest.mark.parametrize(
    ("condition", "found", "ruling"),
    [
        ("slower:3%", speed(0.94, 0.96), "fails"),
        ("slower:3%", speed(0.98, 1.01), "passes"),
        ("slower:3%", speed(1.4, 1.6), "passes"),
        ("slower:3%", speed(0.90, 0.99), "undecided"),
        ("slower:3%", speed(0.5, 2.0), "undecided"),
        ("slower:3%", speed(0.94, 0.96, noise=0.05), "undecided"),
        ("slower:3%", speed(0.90, 0.94, noise=0.05), "fails"),
        ("slower:3%", speed(math.nan, math.nan), "undecided"),
        ("slower:3%", speed(1.1, math.inf), "undecided"),
        ("slower:3%", speed(-math.inf, 0.5), "undecided"),
        ("larger:1%", memory(102, 100), "fails"),
        ("larger:1%", memory(100.5, 100), "passes"),
        ("larger:1%", memory(0, 0), "passes"),
        ("larger:1%", memory(1, 0), "fails"),
        ("larger:1%", memory(math.nan, 100), "undecided"),
        ("larger:1%", memory(100, math.inf), "undecided"),
        ("worse", accuracy(0.01, 0.03, "worse"), "fails"),
        ("worse", accuracy(-0.03, -0.01, "better"), "passes"),
        ("worse", accuracy(-0.01, 0.02, "undecided"), "undecided"),
        ("worse", accuracy(-0.03, -0.01, "undecided"), "undecided"),
        ("worse:20%", accuracy(-0.01, 0.02, "undecided"), "passes"),
        ("worse:20%", accuracy(0.01, 0.03, "worse"), "passes"),
        ("worse:20%", accuracy(0.05, 0.08, "worse"), "fails"),
        ("worse:20%", accuracy(0.05, 0.08, "undecided"), "undecided"),
        ("worse:20%", accuracy(0.03, 0.08, "worse"), "undecided"),
        ("worse:20%", accuracy(-0.08, -0.05, "worse", better="higher"), "fails"),
        ("worse:20%", accuracy(-0.01, 0.02, "undecided", reason="2 of 6 seeds of a diverged"), "undecided"),
        ("worse:20%", accuracy(-math.inf, math.inf, "undecided"), "undecided"),
        ("undecided", speed(0.9, 1.1, verdict="undecided"), "fails"),
        ("undecided", speed(0.9, 0.95), "passes"),
    ],
)
def test_a_condition_rules_only_where_the_whole_interval_does(condition, found, ruling):
    asked = parse_condition(condition)
    assert str(asked) == condition
    assert asked.is_asked_of(found.kind)
    assert asked.rule(found) == ruling


def test_a_condition_is_asked_of_one_kind_of_claim_and_undecided_of_all():
    kinds = ("speed", "memory", "accuracy")
    asked = {text: [parse_condition(text).is_asked_of(kind) for kind in kinds] for text in ("slower:1%", "worse")}
    assert asked == {"slower:1%": [True, False, False], "worse": [False, False, True]}
    assert all(parse_condition("undecided").is_asked_of(kind) for kind in kinds)


@pytest.mark.parametrize(
    "text", ["", "slower", "slower:3", "faster:3%", "slower:-1%", "larger: 1%x", "worse:", "better"]
)
def test_an_unknown_condition_is_refused_in_words(text):
    with pytest.raises(HarnessError, match="wanted slower:P%, larger:P%, worse, worse:P% or undecided"):
        parse_condition(text)
