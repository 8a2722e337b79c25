"""The clock of the suite: a step of a layer, warmed up and timed. Standard library and torch only.

It is not the harness's own bench: that one may change with the harness, while a curve over commits needs one clock. It
counts the processor's time of this process, all threads: what a step takes on a quiet machine, and nearly the same on a
busy one, where wall time would draw the neighbours. A change here needs another `VERSION`, which begins new curves.
"""

import gc
import time
from collections.abc import Callable
from statistics import median

import torch
import torch.fx.experimental.symbolic_shapes  # what the first backward would import in every process anew
from torch import Tensor, nn

VERSION = "1"

SAMPLES, TURNS = 12, 5
"""A sample is the fastest of so many turns: what a neighbour did to the caches can only slow a turn."""
TURN_SECONDS = 2e-3
"""A turn has as many calls as fit into this, one at least."""
WARM_SECONDS = 0.15
MOST_CALLS = 200


class Step:
    """A layer that is run again and again on the same numbers.

    x: [T, B, I], N(0, 1); the state starts as the cell's own.
    """

    def __init__(self, layer: nn.Module, sizes: dict[str, int]) -> None:
        torch.set_num_threads(1)
        generator = torch.Generator().manual_seed(0)
        self._layer = layer
        self._x = torch.randn(sizes["T"], sizes["B"], sizes["I"], generator=generator).requires_grad_()
        self._leaves = [self._x, *layer.parameters()]
        self._cotangents = [torch.randn(part.shape, generator=generator) for part in self.outputs()]

    def outputs(self) -> tuple[Tensor, ...]:
        """y: [T, B, H] and the final states, with what backward needs."""
        y, state = self._layer(self._x)
        return y, *state

    def clear(self) -> None:
        """Every gradient is None again."""
        for leaf in self._leaves:
            leaf.grad = None

    def train(self) -> None:
        """Forward, and backward to x and every parameter; no optimiser."""
        self.clear()
        torch.autograd.backward(self.outputs(), self._cotangents)

    def forward(self) -> None:
        """Forward without gradients."""
        with torch.no_grad():
            self._layer(self._x)

    def parameter_bytes(self) -> int:
        """What the layer learns, in bytes."""
        return sum(part.numel() * part.element_size() for part in self._leaves[1:])


def clocked(work: Callable[[], None]) -> list[float]:
    """Seconds a call, `SAMPLES` times, after warming up; no garbage is collected meanwhile."""
    work()
    began, calls_made = time.process_time(), []
    while time.process_time() - began < WARM_SECONDS or len(calls_made) < 3:
        calls_made.append(_seconds(work, 1))
    calls = max(1, min(MOST_CALLS, int(TURN_SECONDS / median(calls_made))))
    gc.collect()
    gc.disable()
    try:
        return [min(_seconds(work, calls) for _ in range(TURNS)) / calls for _ in range(SAMPLES)]
    finally:
        gc.enable()


def _seconds(work: Callable[[], None], calls: int) -> float:
    began = time.process_time_ns()
    for _ in range(calls):
        work()
    return (time.process_time_ns() - began) * 1e-9
