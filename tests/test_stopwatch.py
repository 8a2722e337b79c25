"""The stopwatch gives seconds a call, on inputs that have moved on, with no garbage collected meanwhile."""

import gc
from dataclasses import dataclass, field

import pytest

from harness.bench import stopwatch
from harness.bench.stopwatch import COLD_CALLS, WINDOW_CALLS, Stopwatch

CALL = 2e-3


@dataclass
class Counting:
    """A step that takes no time and counts what is asked of it."""

    calls: dict[str, int] = field(default_factory=lambda: {"train": 0, "forward": 0})
    varied: int = 0
    collecting: bool = False

    def train(self):
        self.calls["train"] += 1
        self.collecting |= gc.isenabled()

    def forward(self):
        self.calls["forward"] += 1

    def vary(self):
        self.varied += 1

    def synchronise(self):
        pass


@dataclass
class Ticking:
    """A clock on which the k-th call since it was made takes `CALL` · (1 + drift · k)."""

    drift: float = 0.0
    k: int = 0

    def seconds(self, work, calls):
        total = 0.0
        for _ in range(calls):
            work()
            total += CALL * (1 + self.drift * self.k)
            self.k += 1
        return total

    def state(self):
        return 1980.0, 0


@pytest.fixture
def made(monkeypatch):
    """(drift) → a stopwatch on a clock of its own, and its step."""

    def make(drift=0.0):
        step = Counting()
        monkeypatch.setattr(stopwatch, "clock_of", lambda device: Ticking(drift))
        watch = Stopwatch(lambda: step, "cpu")
        assert watch.first() > 0
        return watch, step

    return make


@pytest.mark.parametrize("calls", [1, 7])
def test_a_turn_gives_seconds_a_call_whatever_came_before_it_untimed(made, calls):
    watch, step = made()
    before = step.calls["forward"]
    assert watch.time("forward", calls, 3) == (pytest.approx(CALL), 1980.0, 0)
    assert step.calls["forward"] - before == calls + 3


def test_every_turn_has_inputs_that_have_moved_on_and_no_collection_of_garbage(made):
    watch, step = made()
    step.collecting = False
    for _ in range(3):
        watch.time("train", 5, 1)
    assert step.varied == 3
    assert not step.collecting
    assert gc.isenabled()


def test_a_warm_up_ends_where_two_windows_agree_and_says_so_where_none_do(made, monkeypatch):
    watch, step = made()
    assert watch.warm("forward") == (pytest.approx(CALL), True)
    assert 3 <= step.calls["forward"] <= COLD_CALLS["cpu"] + 1 + WINDOW_CALLS
    monkeypatch.setattr(stopwatch, "WARM_SECONDS", 0.02)
    watch, _ = made(drift=1e6)
    monkeypatch.setattr(stopwatch, "STEADY", 0.0)
    assert watch.warm("forward")[1] is False
