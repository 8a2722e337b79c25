"""Both directions of a fused cell: buffers, chunks of time, and the large products between the library's loops.

Nothing T·B rows long is wider than what backward needs: the projections of a wide input and the gradients of
accumulators exist for a chunk of steps only.
"""

import ctypes
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness_fused.kernel import Call, Kernel
from harness_fused.recurrence import X

INFER, KEEP, BACK = 0, 1, 2  # what the library's `run` does
LOOP, ALL, INPUT, NOTHING = 0, 1, 2, 3  # which weights are packed: see driver/plan.hpp

NARROW = 32
"""Inputs up to this size are multiplied inside the loop, wider ones a chunk at a time before it."""

ROWS = 512
"""Rows, steps times batch, of a chunk: enough for a matrix product at full speed, few enough to stay in cache."""

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
        self.x, self.start = x.contiguous(), rest[: self.states]
        weights = (weight.contiguous() for weight in rest[self.states :])
        self.weights = dict(zip(kernel.shapes, weights, strict=True))
        self.hoisted = self.I > NARROW
        self.direct = self.B == 1 and kernel.direct
        self.steps = max(1, min(self.T, ROWS // max(self.B, 1)))
        self.threads = self._threads()
        self._alive: list[Any] = []

    def _threads(self) -> int:
        work = self.T * self.B * self.H * self.H
        return max(1, min(torch.get_num_threads(), self.B)) if work >= FEWEST else 1

    def empty(self, *shape: int) -> Tensor:
        """A new tensor of x's number format."""
        return self.x.new_empty(shape)

    def call(self, **fields: int | bool) -> Call:
        """The structure that the library reads, with what is the same in both directions filled in."""
        terms, weights = self.kernel.terms, [*self.weights.values()]
        if self.direct:
            share = NOTHING if self.hoisted else INPUT
        else:
            share = LOOP if self.hoisted else ALL
        return Call(
            batch=self.B, inputs=self.I, hidden=self.H, terms=len(terms), share=share, direct=self.direct,
            term=ctypes.addressof(terms), parameters=self.pointers(weights), x=self.x.data_ptr(), **fields,
        )  # fmt: skip

    def pointers(self, tensors: Sequence[Tensor]) -> int:
        """The address of an array of the tensors' addresses; it lives as long as the pass."""
        array = (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
        self._alive.append(array)
        return ctypes.addressof(array)

    def pack(self, call: Call, back: bool) -> None:
        """Packs the weights, which live as long as the pass."""
        packed = self.empty(self.kernel.library.packed_size(ctypes.byref(call), back))
        self._alive.append(packed)
        call.packed = packed.data_ptr()
        self.kernel.library.pack(ctypes.byref(call), back)

    def run(self, call: Call, steps: range, mode: int) -> None:
        """The library's loop over some steps."""
        self.kernel.library.run(ctypes.byref(call), steps.start, steps.stop, mode, self.threads)

    def chunks(self) -> Iterator[range]:
        """The steps in chunks, the last one shorter."""
        return (range(first, min(self.T, first + self.steps)) for first in range(0, self.T, self.steps))


def shifted(tensor: Tensor, steps: range) -> int:
    """The address where step 0 would be, were the tensor's first row not step `steps.start`."""
    return tensor.data_ptr() - steps.start * tensor.stride(-3) * tensor.element_size()


def forward(kernel: Kernel, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], list[Tensor]]:
    """y [T, B, H], the final states, and with `keep` what backward needs beside y.

    That is every state but the output before each step and after the last, [T + 1, B, H] each, and the cell's kept
    rows. y lies in such an array too, behind the first state.
    """
    work = Pass(kernel, inputs)
    T, B, H = work.T, work.B, work.H
    slots = T + 1 if keep else 2
    states = [work.empty(slots if s else T + 1, B, H) for s in range(work.states)]
    for buffer, start in zip(states, work.start, strict=True):
        buffer[0].copy_(start)
    rows = len(kernel.storage.kept) if keep else kernel.storage.carried
    kept = work.empty(T if keep else 1, B, rows * H)
    scratch = work.empty(kernel.scratch, B, H)
    call = work.call(slots=slots, kept_step=int(keep), states=work.pointers(states), kept=kept.data_ptr())
    call.scratch = scratch.data_ptr()
    work.pack(call, back=False)
    mode = KEEP if keep else INFER
    if work.hoisted:
        for steps, projected in _projections(work):
            call.projected = shifted(projected, steps)
            work.run(call, steps, mode)
    else:
        work.run(call, range(T), mode)
    # To autograd y is a tensor of its own, not a view: a user may overwrite it.
    y = work.empty(0).set_(states[0].untyped_storage(), B * H, (T, B, H))
    final = tuple(buffer[T % slots if s else T].clone() for s, buffer in enumerate(states))
    return y, final, [*states[1:], kept] if keep else []


def _projections(work: Pass) -> Iterator[tuple[range, Tensor]]:
    """Chunk by chunk the products of x with all its matrices, [steps, B, …], in one buffer."""
    runs = work.kernel.runs[X]
    width = max((run.places[1] for run in runs), default=0) * work.H
    buffer = work.empty(work.steps, work.B, width)
    for steps in work.chunks():
        rows = work.x[steps.start : steps.stop].view(-1, work.I)
        projected, done = buffer[: len(steps)].view(len(rows), width), 0
        for run in runs:
            begun = run.places[0] < done
            done = run.places[1]
            part = projected[:, run.places[0] * work.H : done * work.H]
            part.addmm_(rows, run.view(work.weights).T, beta=int(begun))
        yield steps, buffer


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
    T, B, H = work.T, work.B, work.H
    recurrence, storage = kernel.recurrence, kernel.storage
    y, *others, kept = stored
    history = [work.empty(0).set_(y.untyped_storage(), 0, (T + 1, B, H)), *others]
    d_y, *d_final = cotangents
    d_state = work.x.new_zeros(work.states, B, H)
    for into, given in zip(d_state, d_final, strict=True):
        if given is not None:
            into.copy_(given)
    gradients = Gradients(work, history, needed)
    d_next = work.empty(work.states + len(storage.adjoints) if recurrence.phases > 1 else 0, B, H)
    call = work.call(slots=T + 1, kept_step=1, operand_steps=work.steps, states=work.pointers(history))
    call.kept, call.d_state, call.d_next = kept.data_ptr(), d_state.data_ptr(), d_next.data_ptr()
    call.d_vector, call.d_bias = gradients.d_vector.data_ptr(), gradients.d_bias.data_ptr()
    work.pack(call, back=True)
    for steps in reversed([*work.chunks()]):
        if d_y is not None:
            part = d_y[steps.start : steps.stop].contiguous()
            call.d_y = shifted(part, steps)
        call.d_acc, call.operands = shifted(gradients.d_acc, steps), shifted(gradients.operands, steps)
        work.run(call, steps, BACK)
        gradients.add(steps)
    return gradients.found(d_state)


class Gradients:
    """What one way back adds up, chunk by chunk, from the gradients of accumulators."""

    def __init__(self, work: Pass, history: Sequence[Tensor], needed: Sequence[bool]) -> None:
        self._work, self._history, self._needed = work, history, needed
        recurrence, (B, H) = work.kernel.recurrence, (work.B, work.H)
        width = len(recurrence.accumulators) * H
        self.d_acc = work.empty(work.steps, B, width)
        self.operands = work.empty(work.kernel.scratch, work.steps, B, H)
        self.d_vector = work.x.new_zeros(B, len(recurrence.vectors) * H)
        self.d_bias = work.x.new_zeros(work.threads, width)
        wanted = dict(zip(work.weights, needed[1 + work.states :], strict=True))
        self._weights = {
            name: torch.empty_like(weight) if name in work.kernel.whole else torch.zeros_like(weight)
            for name, weight in work.weights.items()
            if wanted[name]
        }
        self._x = torch.empty_like(work.x) if needed[0] else None
        self._begun: set[str] = set()

    def add(self, steps: range) -> None:
        """A chunk's share of the gradients of x and of every matrix."""
        work, H = self._work, self._work.H
        d_acc = self.d_acc[: len(steps)].view(-1, self.d_acc.shape[-1])
        for operand, runs in work.kernel.runs.items():
            rows = self._rows(operand, steps)
            for run in runs:
                name, part = run.matrix.parameter, d_acc[:, run.accs[0] * H : run.accs[1] * H]
                if name in self._weights:
                    beta = int(name not in work.kernel.whole or name in self._begun)
                    self._begun.add(name)
                    run.view(self._weights).addmm_(part.T, rows, beta=beta)
        if self._x is not None:
            d_x = self._x[steps.start : steps.stop].view(-1, work.I)
            for n, run in enumerate(work.kernel.runs[X]):
                part = d_acc[:, run.accs[0] * H : run.accs[1] * H]
                d_x.addmm_(part, run.view(work.weights), beta=int(n > 0))
            if not work.kernel.runs[X]:
                d_x.zero_()

    def _rows(self, operand: int, steps: range) -> Tensor:
        """[rows, K]: an operand over a chunk."""
        if operand == X:
            return self._work.x[steps.start : steps.stop].view(-1, self._work.I)
        state = self._work.kernel.recurrence.operands[operand].state
        whole = self.operands[operand, : len(steps)] if state is None else self._history[state][steps.start : steps.stop]
        return whole.view(-1, self._work.H)

    def found(self, d_state: Tensor) -> list[Tensor | None]:
        """The gradients in the inputs' order."""
        H, d_bias, d_vector = self._work.H, self.d_bias.sum(0), self.d_vector.sum(0)
        for run in self._work.kernel.vectors:
            source = d_vector if run.is_vector else d_bias
            if run.parameter in self._weights:
                self._weights[run.parameter][slice(*run.rows)] += source[run.first * H : run.last * H]
        states = [part.clone() if wanted else None for part, wanted in zip(d_state, self._needed[1:], strict=False)]
        return [self._x, *states, *(self._weights.get(name) for name in self._work.weights)]
