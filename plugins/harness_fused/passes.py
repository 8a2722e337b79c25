"""Both directions of a fused cell: the arrays the library computes on.

Nothing T·B rows long is wider than what backward needs: the projections of a wide input and the gradients of
accumulators exist for a chunk of steps only.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness_fused.kernel import Call, Gradient, Kernel

NARROW = 32
"""Inputs up to this size are multiplied inside the loop, wider ones a chunk at a time before it."""

CHUNK = 1 << 17
"""Numbers in a chunk's gradients of accumulators, about: half a megabyte stays in a core's own cache."""

FEWEST = 1 << 20
"""Multiplications of a call below which a second thread costs more than it saves."""


class Pass:
    """One way through a sequence: what both directions share.

    `inputs`: x [T, B, I], the states [B, H] each, the weights. The library reads them where they are; they are copied
    only where they are not contiguous.
    """

    def __init__(self, kernel: Kernel, inputs: Sequence[Tensor]) -> None:
        self.kernel = kernel
        x, *rest = (tensor.detach() for tensor in inputs)
        self.T, self.B, self.I = x.shape
        self.H, self.states = kernel.recurrence.hidden, len(kernel.recurrence.next)
        self.accs = len(kernel.recurrence.accumulators)
        self.x, self.start = x.contiguous(), rest[: self.states]
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

    def call(self, states: Sequence[Tensor], **arrays: Tensor | None) -> Call:
        """The structure that the library reads, complete but for the packed weights."""
        terms = self.kernel.terms
        addresses = {name: array.data_ptr() for name, array in arrays.items() if array is not None}
        self._alive.append(arrays)
        return Call(
            steps=self.T, batch=self.B, inputs=self.I, hidden=self.H, chunk=self.chunk, kept_step=1,
            slots=self.T + 1, direct=self.B == 1 and self.kernel.direct, hoisted=self.hoisted, threads=self.threads,
            terms=len(terms), term=ctypes.addressof(terms), x=self.x.data_ptr(), states=self._pointers(states),
            parameters=self._pointers([*self.weights.values()]), **addresses,
        )  # fmt: skip

    def _pointers(self, tensors: Sequence[Tensor]) -> int:
        array = (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
        self._alive += [array, tensors]
        return ctypes.addressof(array)

    def pack(self, call: Call, back: bool) -> None:
        """Packs the weights, which live as long as the pass."""
        packed = self.empty(self.kernel.library.packed_size(ctypes.byref(call), back))
        self._alive.append(packed)
        call.packed = packed.data_ptr()
        self.kernel.library.pack(ctypes.byref(call), back)


def forward(kernel: Kernel, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor]]:
    """y [T, B, H], the final states, and with `keep` what backward needs beside y.

    That is every state but the output before each step and after the last, [T + 1, B, H] each, and the cell's kept
    rows. y lies in such an array too, behind the first state.
    """
    work = Pass(kernel, inputs)
    T, B, H, storage = work.T, work.B, work.H, kernel.storage
    slots = T + 1 if keep else 2
    states = [work.empty(slots if s else T + 1, B, H) for s in range(work.states)]
    for buffer, start in zip(states, work.start, strict=True):
        buffer[0].copy_(start)
    kept = work.empty(T if keep else 1, B, (len(storage.kept) if keep else storage.carried) * H)
    scratch = work.empty(kernel.scratch, B, H)
    projected = work.empty(work.chunk, B, work.accs * H) if work.hoisted else None
    call = work.call(states, kept=kept, scratch=scratch, projected=projected)
    call.slots, call.kept_step = slots, int(keep)
    work.pack(call, back=False)
    kernel.library.forward(ctypes.byref(call), keep)
    # To autograd y is a tensor of its own, not a view: a user may overwrite it.
    y = work.empty(0).set_(states[0].untyped_storage(), B * H, (T, B, H))
    final = tuple(buffer[T % slots if s else T].clone() for s, buffer in enumerate(states))
    return y, final, [*states[1:], kept] if keep else []


def backward(
    kernel: Kernel,
    inputs: Sequence[Tensor],
    stored: Sequence[Tensor],
    cotangents: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the inputs that are `needed`, None for the others.

    `stored`: y and what forward kept; `cotangents`: of y and the final states, None for a zero.
    """
    work = Pass(kernel, inputs)
    B, H, recurrence = work.B, work.H, kernel.recurrence
    y, *others, kept = stored
    history = [work.empty(0).set_(y.untyped_storage(), 0, (work.T + 1, B, H)), *others]
    d_y, *d_final = cotangents
    d_state = work.x.new_zeros(work.states, B, H)
    for into, given in zip(d_state, d_final, strict=True):
        if given is not None:
            into.copy_(given)
    wanted = zip(work.weights.items(), needed[1 + work.states :], strict=True)
    found = {name: torch.zeros_like(weight) for (name, weight), is_needed in wanted if is_needed}
    d_x = torch.empty_like(work.x) if needed[0] else None
    sums = {
        "d_vector": work.x.new_zeros(B, len(recurrence.vectors) * H),
        "d_bias": work.x.new_zeros(work.threads, work.accs * H),
        "d_across": work.x.new_zeros(0 if work.hoisted else work.I, work.accs * H),
    }
    call = work.call(
        history, kept=kept, d_y=None if d_y is None else d_y.contiguous(), d_x=d_x, d_state=d_state,
        d_next=work.empty(work.states + len(kernel.storage.adjoints) if recurrence.phases > 1 else 0, B, H),
        d_acc=work.empty(work.chunk, B, work.accs * H), operands=work.empty(kernel.scratch, work.chunk, B, H), **sums,
    )  # fmt: skip
    gradients = _gradients(work, found)
    call.gradient, call.gradients = ctypes.addressof(gradients), len(gradients)
    work.pack(call, back=True)
    kernel.library.backward(ctypes.byref(call))
    states = [part.clone() if is_needed else None for part, is_needed in zip(d_state, needed[1:], strict=False)]
    return [d_x, *states, *(found.get(name) for name in work.weights)]


def _gradients(work: Pass, found: dict[str, Tensor]) -> "ctypes.Array[Gradient]":
    """Where the library adds what."""
    rows = [
        Gradient(run.operand, run.first, run.last - run.first, to.data_ptr() + run.offset * to.element_size(), run.row, run.column)
        for run in work.kernel.runs
        if (to := found.get(run.parameter)) is not None
    ]
    return (Gradient * len(rows))(*rows)
