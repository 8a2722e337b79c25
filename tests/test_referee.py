import os
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from harness.measures.referee import FEWEST_ROUNDS, log_ratios, play, schedule_for, speedup
from harness.measures.workers import forked
from harness.settings import TimingSettings

SETTINGS = TimingSettings(pairs=6, most_pairs=16, rounds=8, seconds=10)


@dataclass
class Clockless:
    """Answers like a stopwatch with times that are drawn, not taken."""

    seconds: float
    spread: float
    seed: tuple[int, int]
    steady: bool = True
    log: Path | None = None
    rng: np.random.Generator = field(init=False)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)
        self.pair = float(np.exp(self.rng.normal(0, self.spread)))

    def first(self):
        return 0.5 + os.getpid() * 1e-9

    def denormal_share(self):
        return 0.25

    def note(self):
        return "one way"

    def objection(self):
        return f"wrong on side {self.seed[1]}" if self.seed[1] else ""

    def megahertz(self):
        return 2600.0

    def warm(self, mode):
        return self.seconds, self.steady

    def time(self, mode, calls, untimed):
        if self.log:
            with self.log.open("a") as log:
                log.write(f"{self.seed[0]} {mode} {self.seed[1]} {calls}\n")
        return self.seconds * self.pair * float(np.exp(self.rng.normal(0, 0.002))), 1980.0, 0x40


def sides(*seconds, spread=0.0, restless=(), log=None):
    def start(number, side):
        steady = (number, side) not in restless
        return forked(f"side {side}", partial(Clockless, seconds[side], spread, (number, side), steady, log))

    return start


def test_every_pair_has_fresh_processes():
    played = play(sides(1e-3, 1e-3), 2, SETTINGS, entropy=1)
    assert len(np.unique(played.first)) == played.first.size


def test_samples_clocks_and_throttling_are_kept():
    played = play(sides(1e-3, 2e-3), 2, SETTINGS, entropy=1)
    assert set(played.samples) == {"train", "forward"}
    assert played.samples["train"].shape == played.clocks["train"].shape == (6, 2, 8)
    assert (played.clocks["train"] == 1980).all()
    assert played.throttled == 2 * played.samples["train"].size
    assert played.denormals == (0.25, 0.25)
    assert (played.megahertz == np.full((6, 2), 2600)).all()
    assert played.objections == ("", "wrong on side 1")


def test_the_turns_of_a_round_and_their_calls_are_drawn(tmp_path):
    log = tmp_path / "log"
    played = play(sides(1e-5, 1e-5, log=log), 2, SETTINGS, entropy=1)
    turns = [line.split() for line in log.read_text("utf-8").splitlines()]
    first = [turn[2] for turn in turns[::2]]
    assert all({a[2], b[2]} == {"0", "1"} and a[3] == b[3] for a, b in zip(turns[::2], turns[1::2], strict=True))
    assert 0.3 < first.count("0") / len(first) < 0.7
    planned = played.schedule.calls["train"]
    calls = [int(turn[3]) for turn in turns[::2] if turn[1] == "train"]
    assert len(set(calls)) > len(calls) / 4
    assert 0.9 * planned - 1 < min(calls) < planned < max(calls) < 1.1 * planned + 1


def test_one_warm_up_that_did_not_become_steady_is_noted():
    assert play(sides(1e-3, 1e-3), 2, SETTINGS, entropy=1).steady
    assert not play(sides(1e-3, 1e-3, restless={(2, 1)}), 2, SETTINGS, entropy=1).steady


def test_narrow_intervals_end_the_comparison_at_the_least_number_of_pairs():
    assert len(play(sides(1e-3, 1.3e-3, spread=0.002), 2, SETTINGS, entropy=1).first) == 6


def test_wide_intervals_take_pairs_up_to_the_most():
    assert len(play(sides(1e-3, 1.3e-3, spread=0.2), 2, SETTINGS, entropy=1).first) == 16


def test_no_pair_is_added_beyond_the_budget():
    hurried = TimingSettings(pairs=6, most_pairs=16, rounds=8, budget=1e-3)
    assert len(play(sides(1e-3, 1e-3, spread=0.2), 2, hurried, entropy=1).first) == 6


@pytest.mark.parametrize("ratio", [1.0, 1.004, 1.05, 2.0])
def test_the_number_of_pairs_does_not_depend_on_the_ratio(ratio):
    played = play(sides(1e-3, 1e-3 * ratio, spread=0.012), 2, SETTINGS, entropy=1)
    assert len(played.first) == len(play(sides(1e-3, 1e-3, spread=0.012), 2, SETTINGS, entropy=1).first)


def test_three_sides_play_in_one_company():
    played = play(sides(1e-3, 2e-3, 3e-3), 3, SETTINGS, entropy=1)
    assert played.samples["train"].shape[1] == 3
    assert speedup(played.samples["train"], 0, 2).value == pytest.approx(3, rel=0.02)
    assert speedup(played.samples["train"], 1, 2).value == pytest.approx(1.5, rel=0.02)


def planted(ratio, drift_size=0.3, rounds=12, pairs=6):
    rng = np.random.default_rng(1)
    drift = np.exp(rng.normal(0, drift_size, (pairs, 1, rounds)))  # common to both sides of a round
    times = 1e-3 * np.array([1, ratio])[None, :, None] * drift
    return times * np.exp(rng.normal(0, 0.02, times.shape))


def test_a_planted_ratio_is_recovered_whatever_the_machine_does_meanwhile():
    samples = planted(1.2)
    found = speedup(samples)
    assert found.low < 1.2 < found.high
    assert found.value == pytest.approx(1.2, rel=0.02)
    samples[:, 1, 0] *= 50  # one bad round a pair
    assert speedup(samples).value == pytest.approx(1.2, rel=0.02)


def test_both_sides_in_turn_change_places_exactly():
    samples = planted(1.1)
    there, back = speedup(samples), speedup(samples[:, ::-1])
    assert there.value == pytest.approx(1 / back.value)
    assert there.low == pytest.approx(1 / back.high)
    assert log_ratios(samples).shape == (6,)


@pytest.mark.parametrize("slower", [1e-6, 3e-5, 1e-3, 4.9e-3])
def test_the_slower_side_of_short_steps_takes_five_to_ten_milliseconds_a_turn(slower):
    schedule = schedule_for({"train": (slower, slower / 3), "forward": (1e-5, 1e-5)}, TimingSettings())
    assert 5e-3 <= schedule.calls["train"] * slower < 10e-3


def test_slow_steps_are_timed_singly_in_fewer_rounds_down_to_a_floor():
    settings = TimingSettings()
    rounds = [schedule_for({"train": (s, s), "forward": (s, s)}, settings).rounds for s in (1e-4, 1e-3, 1.0)]
    assert rounds == sorted(rounds, reverse=True)
    assert rounds[0] > rounds[1] > rounds[-1] == FEWEST_ROUNDS
    assert max(rounds) <= settings.rounds
    assert schedule_for({"train": (1.0, 1e-3)}, settings).calls == {"train": 1}
