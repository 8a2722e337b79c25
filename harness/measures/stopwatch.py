"""The stopwatch: warms a step up and times it, inside a worker."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from harness.measures.step import Step

WINDOW_CALLS = 5
WINDOW_SECONDS = 5e-3
"""A warm-up window has as many calls as fit into this, from 1 to `WINDOW_CALLS`."""
STEADY = 0.05
"""Two successive windows whose medians differ by less than this are steady."""
WARM_SECONDS = 0.3
"""When warming up gives up on becoming steady."""
COLD_CALLS = {"cpu": 1, "cuda": 10}
"""Calls before anything is looked at: they load kernels, choose algorithms and grow pools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """How a warm-up ended: seconds a call, and whether two successive windows agreed."""

    seconds: float
    steady: bool


class Stopwatch:
    """Times a step's two modes, `train` and `forward`.

    `verify` is called after a warm-up, when all pools exist. `layout` is only kept alive.
    """

    def __init__(self, step: Step, device: str, verify: Callable[[], None], layout: object = None) -> None:
        self._step, self._device, self._verify, self._layout = step, device, verify, layout
        self._modes = {"train": step.train, "forward": step.forward}

    def warm(self, mode: str) -> Warmth:
        """Runs a mode until it is steady, at least three calls."""
        call = self._modes[mode]
        self._seconds(call, COLD_CALLS[self._device])
        began = time.monotonic()
        before = self._seconds(call, 1)
        calls = max(1, min(WINDOW_CALLS, int(WINDOW_SECONDS / before)))
        steady = False
        while not steady and time.monotonic() - began < WARM_SECONDS:
            now = median(self._seconds(call, 1) for _ in range(calls))
            steady = abs(now / before - 1) < STEADY
            before = now
        self._verify()
        return Warmth(seconds=before, steady=steady)

    def time(self, mode: str, calls: int) -> float:
        """One turn: an untimed call, because the other side had the caches, then `calls` timed. Seconds a call."""
        call = self._modes[mode]
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            call()
            return self._seconds(call, calls) / calls
        finally:
            gc.enable()

    def _seconds(self, call: Callable[[], None], calls: int) -> float:
        self._step.synchronise()
        began = time.perf_counter_ns()
        for _ in range(calls):
            call()
        self._step.synchronise()
        return (time.perf_counter_ns() - began) * 1e-9
