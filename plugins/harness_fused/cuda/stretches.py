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
from harness_fused.cuda.passes import Stored, Way

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
        self, way: Way, inputs: Sequence[Tensor], keep: bool
    ) -> tuple[Tensor, tuple[Tensor, ...], Stored | None]:
        """As `passes.forward`."""
        (x, *rest), (T, B, _) = inputs, inputs[0].shape
        count, H = len(way.kernel.recurrence.next), way.kernel.recurrence.hidden
        states, weights = rest[:count], rest[count:]
        y, stored = x.new_empty(T, B, H), None
        if keep:
            kept = x.new_empty(T, B, len(way.kernel.storage.kept), H)
            stored = Stored(y, x.new_empty(count - 1, T, B, H), kept)

        def work(held: Given) -> Any:
            return passes.forward(way, held, keep)

        for steps in _stretches(len(x)):
            part, states, found = self._played(("forward", keep), [x[steps], *states, *weights], work)
            y[steps] = part
            if stored:
                stored.others[:, steps], stored.kept[steps] = found.others, found.kept
        return y, tuple(state.clone() for state in states), stored

    def backward(
        self,
        way: Way,
        inputs: Sequence[Tensor],
        stored: Stored,
        cotangents: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """As `passes.backward`; weights' gradients are added up over stretches in float32."""
        (x, *rest), count, given = inputs, len(way.kernel.recurrence.next), len(inputs)
        start, weights = rest[:count], rest[count:]
        wanted = [needed[0], *[True] * count, *needed[1 + count :]]  # states' gradients go from stretch to stretch

        def work(held: Given) -> Any:
            kept = Stored(*held[given : given + 3])
            return passes.backward(way, held[:given], kept, held[given + 3 :], wanted)

        d_x = torch.empty_like(x, memory_format=torch.contiguous_format) if needed[0] else None
        d_y, *d_states = cotangents
        d_states = [torch.zeros_like(s) if d is None else d for s, d in zip(start, d_states, strict=True)]
        sums = [torch.zeros_like(w, dtype=torch.float32) for w in weights]
        for steps in reversed(_stretches(len(x))):
            before = [stored.y[steps.start - 1], *stored.others[:, steps.start - 1]] if steps.start else start
            kept = [stored.y[steps], stored.others[:, steps], stored.kept[steps]]
            slopes = [None if d_y is None else d_y[steps], *d_states]
            found = self._played(("backward", *wanted), [x[steps], *before, *weights, *kept, *slopes], work)
            d_states = found[1 : 1 + count]
            if d_x is not None:
                d_x[steps] = found[0]
            for into, part in zip(sums, found[1 + count :], strict=True):
                if part is not None:
                    into.add_(part)
        found = [*(d.clone() for d in d_states), *(total.to(x.dtype) for total in sums)]
        return [d_x, *(part if is_needed else None for part, is_needed in zip(found, needed[1:], strict=True))]

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
