"""The stopwatch: makes a step, warms it up and times it, inside a worker."""

import gc
import time
from collections.abc import Callable
from statistics import median

from .clocks import clock_of
from .frequency import megahertz
from .step import Step

WINDOW_CALLS = 5
WINDOW_SECONDS = 5e-3
"""A warm-up window has as many calls as fit into this, from 1 to `WINDOW_CALLS`."""
STEADY = 0.05
"""Two successive windows whose medians differ by less than this are steady."""
WARM_SECONDS = 0.3
"""When warming up gives up on becoming steady."""
COLD_CALLS = {"cpu": 1, "cuda": 10}
"""Calls before anything is looked at: they load kernels, choose algorithms and grow pools."""


class Stopwatch:
    """Times a step's modes, `train` and `forward`, and on CUDA `train_cold` and `forward_cold`.

    `make` builds the step, when `first` is asked; `verify` is called after a warm-up, when all pools exist; `objection`
    says what is wrong with what the step computes, "" where nothing is. `layout` is only kept alive.
    """

    def __init__(
        self,
        make: Callable[[], Step],
        device: str,
        verify: Callable[[], None] = lambda: None,
        objection: Callable[[Step], str] | None = None,
        layout: object = None,
    ) -> None:
        self._make, self._device, self._verify, self._objection = make, device, verify, objection
        self._layout = layout

    def first(self) -> float:
        """Builds the step. Seconds from the wish for a layer to the end of its first train step, libraries loaded.

        To be asked before anything else.
        """
        began = time.perf_counter_ns()
        self._step = self._make()
        self._step.train()
        self._step.synchronise()
        taken = (time.perf_counter_ns() - began) * 1e-9
        self._clock = clock_of(self._device)
        return taken

    def denormal_share(self) -> float:
        """The share of denormal numbers among the step's outputs and gradients."""
        return self._step.denormal_share()

    def note(self) -> str:
        """How the layer ran its last call, where there is more than one way."""
        return self._step.note()

    def objection(self) -> str:
        """What is wrong with what the step computes now that it has been timed; "" where nothing is."""
        return self._objection(self._step) if self._objection else ""

    def megahertz(self) -> float:
        """The clock of the core this worker ran on last, MHz; NaN where the system does not tell."""
        return megahertz()

    def warm(self, mode: str) -> tuple[float, bool]:
        """Runs a mode until it is steady, at least three calls: seconds a call, and whether two windows agreed."""
        self._seconds(mode, COLD_CALLS[self._device])
        began = time.monotonic()
        before = self._seconds(mode, 1)
        calls = max(1, min(WINDOW_CALLS, int(WINDOW_SECONDS / before)))
        steady = False
        while not steady and time.monotonic() - began < WARM_SECONDS:
            now = median(self._seconds(mode, 1) for _ in range(calls))
            steady = abs(now / before - 1) < STEADY
            before = now
        self._verify()
        return before, steady

    def time(self, mode: str, calls: int, untimed: int) -> tuple[float, float, int]:
        """One turn: seconds a call, the device's clock in MHz, why it was held back (both as `Clock.state` says).

        `untimed` calls come first, because the other side had the caches.
        """
        self._step.vary()
        gc.collect()
        gc.freeze()
        gc.disable()
        try:
            self._seconds(mode, untimed)
            return self._seconds(mode, calls) / calls, *self._clock.state()
        finally:
            gc.enable()

    def _seconds(self, mode: str, calls: int) -> float:
        name, _, cold = mode.partition("_")
        work = {"train": self._step.train, "forward": self._step.forward}[name]
        return self._clock.cold_seconds(work, calls) if cold else self._clock.seconds(work, calls)
