"""What two sides weigh is compared with the marks their weights bear; what is not counted decides nothing."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bench.weight import Weight
from harness.compare.conditions import Ruling, parse_condition
from harness.compare.sentences import sentence
from harness.compare.weights import memory_claims

PLUGIN = Path(__file__).parent / "plugins" / "hiding.py"
MIB = 2**20
PLAIN = Weight(
    train_peak_bytes=8 * MIB,
    forward_peak_bytes=MIB,
    activation_bytes=2 * MIB,
    spread_bytes=0,
    repeatable=True,
    unseen_bytes=0.0,
    held_bytes=0.0,
)


def claims(ours, theirs):
    return {claim.measure: claim for claim in memory_claims(("a@x", "b@y"), "B1 T2 H3 I4", (ours, theirs))}


def test_what_is_counted_in_full_is_compared_to_the_byte():
    assert {claim.verdict for claim in claims(PLAIN, PLAIN).values()} == {"same"}
    larger = claims(replace(PLAIN, train_peak_bytes=8 * MIB + 1), PLAIN)
    assert larger["train peak"].verdict == "larger"
    assert larger["forward peak"].verdict == "same"
    assert larger["train peak"].details["marks"] == []


@pytest.mark.parametrize("hides", ["a", "b"])
def test_a_side_that_hides_memory_leaves_all_undecided_with_the_reason(hides):
    hiding = replace(PLAIN, train_peak_bytes=MIB, unseen_bytes=64.0 * MIB)
    found = claims(*((hiding, PLAIN) if hides == "a" else (PLAIN, hiding)))
    name = {"a": "a@x", "b": "b@y"}[hides]
    for claim in found.values():
        assert claim.verdict == "undecided"
        assert claim.reason == f"the count does not see all that {name} takes"
        assert f"the system gave {name} 64.0 MiB more than was counted" in sentence(claim)
        assert claim.to_plain()[f"{hides}_hides"] is True
        assert claim.to_plain()[f"{hides}_unseen_bytes"] == 64 * MIB
        assert parse_condition("larger:1%").rule(claim) == Ruling.UNDECIDED
        assert "times as much" not in sentence(claim)


def test_weighings_that_disagree_decide_only_what_lies_further_apart_than_they_do():
    restless = replace(PLAIN, repeatable=False, spread_bytes=10_000, activation_bytes=2 * MIB + 9_000)
    found = claims(restless, replace(PLAIN, train_peak_bytes=MIB))
    assert found["train peak"].verdict == "larger"
    assert found["kept for backward"].verdict == "undecided"
    assert "weighings of a@x differ by 9.77 KiB" in sentence(found["kept for backward"])
    assert "no two weighings of a@x agreed" in sentence(found["train peak"])


def test_what_nobody_could_check_is_said():
    (claim, *_) = claims(PLAIN, replace(PLAIN, unseen_bytes=math.nan)).values()
    assert "the system does not say whether b@y took more than was counted" in sentence(claim)
    assert "a@x took more" not in sentence(claim)


def test_what_a_side_keeps_from_call_to_call_is_said_and_decides_nothing():
    (claim, *_) = claims(replace(PLAIN, held_bytes=64.0 * MIB), PLAIN).values()
    assert claim.verdict == "same"
    assert "a@x keeps 64.0 MiB from call to call" in sentence(claim)
    assert claim.details["a_hoards"]
    assert not claim.details["b_hoards"]


def test_a_pair_that_hides_memory_is_not_called_smaller_on_the_command_line():
    arguments = ["rnn@pointer", "rnn@open", "--plugin", str(PLUGIN), "--shape", "B2,T8,H4,I2", "--measures", "memory"]
    command = [sys.executable, "-m", "harness", "compare", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    peak = next(found for found in json.loads(done.stdout)["comparisons"] if found["measure"] == "train peak")
    assert peak["a_bytes"] < peak["b_bytes"] / 10
    assert (peak["verdict"], peak["a_hides"], peak["b_hides"]) == ("undecided", True, False)
    assert peak["reason"] == "the count does not see all that rnn@pointer takes"
