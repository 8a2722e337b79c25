"""Both directions of a fused cell: the arrays the library computes on.

Nothing T·B rows long is wider than what backward needs: the projections of a wide input and the gradients of
accumulators exist for a chunk of steps only.
"""

import ctypes
from array import array
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness_fused.kernel import Call, Gradient, Kernel

NARROW = 32
"""Inputs up to this size are multiplied inside the loop, wider ones a chunk at a time before it."""

CHUNK = 1 << 17
"""Numbers in a chunk's gradients of accumulators, about: half a megabyte stays in a core's own cache."""

LONG = 48
"""Steps from which even a batch of one packs its weights: they are read half as fast again, and cost a dozen steps."""

FEWEST = 1 << 20
"""Multiplications of a call below which a second thread costs more than it saves."""


class Pass:
    """One way through a sequence: what both directions share.

    `inputs`: x [T, B, I], the states [B, H] each, the weights. The library reads them where they are; they are copied
    only where they are not contiguous.
    """

    def __init__(self, kernel: Kernel, inputs: Sequence[Tensor]) -> None:
        self.kernel = kernel
        x, *rest = inputs
        self.T, self.B, self.I = x.shape
        self.H, self.states = kernel.recurrence.hidden, len(kernel.recurrence.next)
        self.accs = len(kernel.recurrence.accumulators)
        self.x = x.contiguous()
        self.start = [part.contiguous() for part in rest[: self.states]]
        weights = (weight.contiguous() for weight in rest[self.states :])
        self.weights = dict(zip(kernel.shapes, weights, strict=True))
        self.hoisted = self.I > NARROW
        self.chunk = max(1, min(self.T, CHUNK // max(self.B * self.accs * self.H, 1)))
        work = self.T * self.B * self.H * self.H
        self.threads = max(1, min(torch.get_num_threads(), self.B)) if work >= FEWEST else 1
        self._alive: list[Any] = []

    def empty(self, *shape: int) -> Tensor:
        """A new tensor of x's number format."""
        return self.x.new_empty(shape)

    def call(self, **arrays: Tensor | None) -> Call:
        """The structure that the library reads, complete but for what `aim` and `pack` put there."""
        terms, weights = self.kernel.terms, [*self.weights.values()]
        addresses = {name: found.data_ptr() for name, found in arrays.items() if found is not None}
        self._alive += [arrays, terms]
        return Call(
            batch=self.B, inputs=self.I, hidden=self.H, chunk=self.chunk, direct=self.B == 1 and self.kernel.direct,
            hoisted=self.hoisted, threads=self.threads, terms=len(terms), term=ctypes.addressof(terms),
            parameters=self.pointers(weights), **addresses,
        )  # fmt: skip

    def aim(self, call: Call, steps: range, states: Sequence[Tensor], kept: Tensor) -> None:
        """Points a call at some steps, the arrays given for these alone: see driver/call.hpp."""
        call.steps = len(steps)
        call.x = self.x.data_ptr() + steps.start * self.B * self.I * self.x.element_size()
        call.states, call.kept = self.pointers(states), kept.data_ptr()
        call.slots, call.kept_step = states[-1].shape[0], 1

    def segments(self, steps: int | None) -> list[range]:
        """The sequence in stretches of so many steps, or in one."""
        each = steps or self.T
        return [range(first, min(self.T, first + each)) for first in range(0, self.T, each)]

    def pointers(self, tensors: Sequence[Tensor]) -> int:
        """The address of an array of their addresses, both of which live as long as the pass."""
        pointers = array("Q", [tensor.data_ptr() for tensor in tensors])
        self._alive += [pointers, tensors]
        return pointers.buffer_info()[0]

    def pack(self, call: Call, back: bool) -> None:
        """Packs the weights, which live as long as the pass."""
        packed = self.empty(self.kernel.library.packed_size(ctypes.byref(call), back))
        self._alive.append(packed)
        call.packed = packed.data_ptr()
        self.kernel.library.pack(ctypes.byref(call), back)


def forward(
    kernel: Kernel, inputs: Sequence[Tensor], keep: bool, recompute: int | None = None
) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor]]:
    """y [T, B, H], the final states, and with `keep` what backward needs beside y.

    That is every state but the output before each step and after the last, [T + 1, B, H] each, and the cell's kept
    rows; with `recompute` those states after every so many steps. y lies in such an array too, behind its first state.
    """
    work = Pass(kernel, inputs)
    T, B, H = work.T, work.B, work.H
    segments = work.segments(recompute if keep else None)
    whole = keep and not recompute
    states = [work.empty(2 if s and not whole else T + 1, B, H) for s in range(work.states)]
    # Rows that pass from phase to phase have one place for all steps where nothing is kept.
    kept = work.empty(T, B, len(kernel.storage.kept) * H) if whole else work.empty(B, kernel.storage.carried * H)
    between = [work.empty(len(segments) - 1, B, H) for _ in states[1:] if len(segments) > 1]
    final = [work.empty(B, H) for _ in states]
    call, starts = _forward_call(work), work.start
    for n, steps in enumerate(segments):
        ends = final if steps.stop == T else [states[0][steps.stop], *(buffer[n] for buffer in between)]
        work.aim(call, steps, [states[0][steps.start :], *states[1:]] if n else states, kept)
        call.kept_step, call.start, call.final = int(whole), work.pointers(starts), work.pointers(ends)
        kernel.library.forward(ctypes.byref(call), whole)
        starts = ends
    # To autograd y is a tensor of its own, not a view: a user may overwrite it.
    y = work.empty(0).set_(states[0].untyped_storage(), B * H, (T, B, H))
    stored = [*states[1:], kept] if whole else between
    return y, tuple(final), stored if keep else []


def _forward_call(work: Pass) -> Call:
    projected = work.empty(work.chunk, work.B, work.accs * work.H) if work.hoisted else None
    call = work.call(scratch=work.empty(work.kernel.scratch, work.B, work.H), projected=projected)
    call.direct &= work.T < LONG  # backward never packs for one row: there its memory would count
    work.pack(call, back=False)
    return call


def backward(
    kernel: Kernel,
    inputs: Sequence[Tensor],
    stored: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    needed: Sequence[bool],
    recompute: int | None = None,
) -> list[Tensor | None]:
    """The gradients of the inputs that are `needed`, None for the others.

    `stored`: y and what forward kept; `cotangents`: of y and the final states, None for a zero.
    """
    work = Pass(kernel, inputs)
    d_y = None if cotangents[0] is None else cotangents[0].contiguous()
    d_x = torch.empty_like(work.x) if needed[0] else None
    d_state = work.x.new_zeros(work.states, work.B, work.H)
    for into, given in zip(d_state, cotangents[1:], strict=True):
        if given is not None:
            into.copy_(given)
    wanted = zip(work.weights.items(), needed[1 + work.states :], strict=True)
    found = {name: torch.zeros_like(weight) for (name, weight), is_needed in wanted if is_needed}
    call = _backward_call(work, d_state, d_x)
    gradients = _gradients(work, found)
    call.gradient, call.gradients = ctypes.addressof(gradients), len(gradients)
    history, *others = _history(work, stored[0]), *(part.contiguous() for part in stored[1:])
    again = _Again(work, history, others, min(recompute, work.T)) if recompute else None
    for n, steps in reversed([*enumerate(work.segments(recompute))]):
        states, kept = again.run(n, steps) if again else ([history, *others[:-1]], others[-1])
        work.aim(call, steps, states, kept)
        call.d_y, call.d_x = (None if a is None else a[steps.start :].data_ptr() for a in (d_y, d_x))
        kernel.library.backward(ctypes.byref(call))
    kernel.library.finish(ctypes.byref(call))
    states = [part.clone() if is_needed else None for part, is_needed in zip(d_state, needed[1:], strict=False)]
    return [d_x, *states, *(found.get(name) for name in work.weights)]


def _history(work: Pass, y: Tensor) -> Tensor:
    """The output before each step and after the last, [T + 1, B, H]: y with its first state still before it, as
    `forward` laid them; where hooks of autograd took y elsewhere and back, a new array.
    """
    first = work.start[0].numel()
    whole = y.is_contiguous() and y.storage_offset() == first
    if whole and y.untyped_storage().nbytes() == (first + y.numel()) * y.element_size():
        return work.empty(0).set_(y.untyped_storage(), 0, (work.T + 1, work.B, work.H))
    return torch.cat([work.start[0][None], y])


def _backward_call(work: Pass, d_state: Tensor, d_x: Tensor | None) -> Call:
    kernel, B, H = work.kernel, work.B, work.H
    recurrence = kernel.recurrence
    call = work.call(
        d_x=d_x,
        d_state=d_state,
        d_next=work.empty(work.states + len(kernel.storage.adjoints) if recurrence.phases > 1 else 0, B, H),
        d_acc=work.empty(work.chunk, B, work.accs * H),
        operands=work.empty(kernel.scratch, work.chunk, B, H),
        d_vector=work.x.new_zeros(B, len(recurrence.vectors) * H),
        d_bias=work.x.new_zeros(work.threads, work.accs * H),
        d_across=work.x.new_zeros(0 if work.hoisted else work.I, work.accs * H),
    )
    work.pack(call, back=True)
    return call


class _Again:
    """Runs segments again before their backward; one set of arrays serves them all."""

    def __init__(self, work: Pass, history: Tensor, between: Sequence[Tensor], steps: int) -> None:
        self._work, self._history, self._between = work, history, between
        self._call = _forward_call(work)
        self._states = [work.empty(steps + 1, work.B, work.H) for _ in range(work.states)]
        self._kept = work.empty(steps, work.B, len(work.kernel.storage.kept) * work.H)

    def run(self, n: int, steps: range) -> tuple[list[Tensor], Tensor]:
        """Every state and the kept rows of segment `n`."""
        earlier = [self._history[steps.start], *(buffer[n - 1] for buffer in self._between)]
        self._work.aim(self._call, steps, self._states, self._kept)
        self._call.start = self._work.pointers(earlier if n else self._work.start)
        self._work.kernel.library.forward(ctypes.byref(self._call), True)
        return self._states, self._kept


def _gradients(work: Pass, found: dict[str, Tensor]) -> "ctypes.Array[Gradient]":
    """Where the library adds what."""
    rows = [
        Gradient(
            run.operand,
            run.first,
            run.last - run.first,
            to.data_ptr() + run.offset * to.element_size(),
            run.row,
            run.column,
        )
        for run in work.kernel.runs
        if (to := found.get(run.parameter)) is not None
    ]
    return (Gradient * len(rows))(*rows)
