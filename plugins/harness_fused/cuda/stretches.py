"""The route `steps`, recorded: stretches of a sequence as CUDA graphs, so that no launch waits for Python.

A stretch is a whole pass over a few steps on tensors of its own, recorded once and then played again with other numbers
in the same places: what goes in is copied in, what comes out is copied out. Stretches hand each other their states, and
in backward the gradients of these, rounded to the number format. The tensors stay as long as the layer does.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from harness_fused.cuda import passes
from harness_fused.cuda.machine import Machine
from harness_fused.cuda.passes import Launcher, Stored
from harness_fused.cuda.plan import Plan
from harness_fused.kernel import Kernel

LONGEST = 128
"""Steps of a stretch: enough that copies and starts cost little beside it, few enough to be recorded quickly."""

MOST = 8
"""Recordings a layer keeps, the latest used: one for each length, batch and direction."""

Given = list[Tensor | None]


class Stretches:
    """The functions of passes.py, by recordings. One stream at a time may use it."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._recordings: OrderedDict[tuple[Any, ...], tuple[Given, Any, Callable[[], None]]] = OrderedDict()

    def forward(
        self, kernel: Kernel, plan: Plan, launcher: Launcher, inputs: Sequence[Tensor], keep: bool
    ) -> tuple[Tensor, tuple[Tensor, ...], Stored | None]:
        """As `passes.forward`."""
        if self._machine.recording:  # a user's own graph records the launches one by one
            return passes.forward(kernel, plan, launcher, inputs, keep)
        x, count = inputs[0], len(kernel.recurrence.next)
        states, weights = inputs[1 : 1 + count], inputs[1 + count :]
        y = x.new_empty(*x.shape[:2], kernel.recurrence.hidden)
        stored = None
        if keep:
            rows = len(kernel.storage.kept)
            others, kept = y.new_empty(count - 1, *y.shape), y.new_empty(*y.shape[:2], rows, y.shape[-1])
            stored = Stored(others, kept)

        def work(held: Given) -> Any:
            return passes.forward(kernel, plan, launcher, held, keep)

        for steps in _stretches(len(x)):
            part, states, found = self._played(("forward", keep), [x[steps], *states, *weights], work)
            y[steps] = part
            if stored:
                stored.others[:, steps], stored.kept[steps] = found.others, found.kept
        return y, tuple(state.clone() for state in states), stored

    def backward(
        self,
        kernel: Kernel,
        plan: Plan,
        launcher: Launcher,
        inputs: Sequence[Tensor],
        y: Tensor,
        stored: Stored,
        cotangents: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """As `passes.backward`; weights' gradients are added up over stretches in float32."""
        if self._machine.recording:
            return passes.backward(kernel, plan, launcher, inputs, y, stored, cotangents, needed)
        x, count = inputs[0], len(kernel.recurrence.next)
        start, weights = inputs[1 : 1 + count], inputs[1 + count :]
        wanted = [needed[0], *[True] * count, *needed[1 + count :]]
        given = len(inputs)

        def work(held: Given) -> Any:
            kept = Stored(held[given + 1], held[given + 2])
            return passes.backward(kernel, plan, launcher, held[:given], held[given], kept, held[given + 3 :], wanted)

        d_x = torch.empty_like(x, memory_format=torch.contiguous_format) if needed[0] else None
        d_y, *d_states = cotangents
        d_states = [torch.zeros_like(s) if d is None else d for s, d in zip(start, d_states, strict=True)]
        sums = [torch.zeros_like(w, dtype=torch.float32) if n else None for w, n in zip(weights, wanted[1 + count :])]
        for steps in reversed(_stretches(len(x))):
            before = [y[steps.start - 1], *stored.others[:, steps.start - 1]] if steps.start else start
            kept = [y[steps], stored.others[:, steps], stored.kept[steps]]
            slopes = [None if d_y is None else d_y[steps], *d_states]
            found = self._played(("backward", *wanted), [x[steps], *before, *weights, *kept, *slopes], work)
            d_states = found[1 : 1 + count]
            if d_x is not None:
                d_x[steps] = found[0]
            for total, part in zip(sums, found[1 + count :], strict=True):
                if total is not None:
                    total += part
        d_start = [d.clone() if n else None for d, n in zip(d_states, needed[1:], strict=False)]
        return [d_x, *d_start, *(None if total is None else total.to(x.dtype) for total in sums)]

    def _played(self, kind: tuple[Any, ...], given: Given, work: Callable[[Given], Any]) -> Any:
        """The work's answer for these tensors, in tensors that the next call of this kind overwrites."""
        key = (*kind, *(None if tensor is None else tuple(tensor.shape) for tensor in given))
        if key not in self._recordings:
            with torch.inference_mode(False), torch.no_grad():
                held = [
                    None if t is None else torch.empty_like(t, memory_format=torch.contiguous_format) for t in given
                ]
                _fill(held, given)
                self._recordings[key] = held, *self._machine.record(lambda: work(held))
            if len(self._recordings) > MOST:
                self._recordings.popitem(last=False)
        self._recordings.move_to_end(key)
        held, answer, again = self._recordings[key]
        _fill(held, given)
        again()
        return answer


def _fill(held: Given, given: Given) -> None:
    for into, tensor in zip(held, given, strict=True):
        if into is not None and tensor is not None:
            into.copy_(tensor.detach())


def _stretches(steps: int) -> list[slice]:
    """All steps, in stretches."""
    return [slice(first, min(steps, first + LONGEST)) for first in range(0, steps, LONGEST)]
