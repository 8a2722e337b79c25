"""Both directions of a fused cell on CUDA, as torch sees them: large products here, the recurrent part by launches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from harness_fused.cuda.matrices import matrix, pairs, sums
from harness_fused.cuda.plan import Launch, Plan
from harness_fused.kernel import BIAS, VECTOR, Kernel
from harness_fused.recurrence import X

Launcher = Callable[[Launch, Mapping[str, Tensor | int | None]], None]
"""Starts a kernel of an already loaded text on the current stream. Values by argument name: a contiguous tensor stands
for its address, None for 0. The emulation is one such launcher, `cuda.core` the other."""


@dataclass(frozen=True, slots=True)
class Way:
    """How a kernel runs one batch size: its plan, and who starts the launches of the plan's text."""

    kernel: Kernel
    plan: Plan
    launcher: Launcher


class Stored(NamedTuple):
    """What backward needs beside inputs: y [T, B, H], other states [STATES − 1, T, B, H], kept rows [T, B, KEPT, H]."""

    y: Tensor
    others: Tensor
    kept: Tensor


class Pass:
    """One way through a sequence: what both directions share.

    `inputs`: x [T, B, I], the states [B, H] each, the weights, all of one number format on one device.
    """

    def __init__(self, way: Way, inputs: Sequence[Tensor]) -> None:
        kernel, plan = way.kernel, way.plan
        self.kernel, self.plan, self._launcher = kernel, plan, way.launcher
        x, *rest = (tensor.detach() for tensor in inputs)
        self.T, self.B, self.I = x.shape
        recurrence = kernel.recurrence
        self.H, self.states, self.accs = recurrence.hidden, len(recurrence.next), len(recurrence.accumulators)
        self.x = x.contiguous()
        self.initial = torch.stack(rest[: self.states])
        self.parameters = dict(zip(kernel.shapes, (w.contiguous() for w in rest[self.states :]), strict=True))
        self.x_readers = [i for i, acc in enumerate(recurrence.accumulators) if any(t.operand == X for t in acc.terms)]
        self.pairs = pairs(kernel)
        self.weights = matrix(kernel, self.parameters, of_x=False).view(len(self.pairs), self.H, self.H)
        self.given: dict[str, Tensor | int | None] = {
            "steps": self.T,
            "batch": self.B,
            "rows": plan.rows,
            "weights": self.weights,
            "bias": sums(kernel, self.parameters, BIAS, self.accs),
            "vectors": sums(kernel, self.parameters, VECTOR, len(recurrence.vectors)),
            "initial": self.initial,
        }
        for buffer in plan.buffers:
            make = torch.zeros if buffer.zeroed else torch.empty
            self.given[buffer.name] = make(buffer.shape, dtype=getattr(torch, buffer.dtype), device=x.device)

    def empty(self, *shape: int) -> Tensor:
        """A new tensor of x's number format."""
        return self.x.new_empty(shape)

    def launch(self, launch: Launch, **given: Tensor | int | None) -> None:
        """Starts a kernel with what is given here and what all kernels are given."""
        self._launcher(launch, {**self.given, **given})

    def of_x(self) -> Tensor:
        """The matrices of x for all accumulators that read it, [readers · H, I]."""
        return matrix(self.kernel, self.parameters, of_x=True)


def forward(way: Way, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], Stored | None]:
    """y [T, B, H], the final states, and with `keep` what backward needs."""
    work = Pass(way, inputs)
    T, B, H = work.T, work.B, work.H
    rows = work.x.reshape(T * B, work.I) @ work.of_x().T
    y, final = work.empty(T, B, H), work.empty(work.states, B, H)
    stored = None
    if keep:
        stored = Stored(y, work.empty(work.states - 1, T, B, H), work.empty(T, B, len(way.kernel.storage.kept), H))
    arrays = {"projected": rows, "y": y, "final": final}
    if stored:
        arrays |= {"others": stored.others, "kept": stored.kept}
    launches = way.plan.train if keep else way.plan.infer
    if way.plan.route == "steps":
        from harness_fused.cuda.steps import forward_steps

        forward_steps(work, launches, arrays)
    else:
        work.launch(launches[0], **arrays)
    return y, tuple(state.clone() for state in final), stored  # of their own: a user may overwrite them


def backward(
    way: Way,
    inputs: Sequence[Tensor],
    stored: Stored,
    cotangents: Sequence[Tensor | None],
    needed: Sequence[bool],
) -> list[Tensor | None]:
    """The gradients of the inputs that are `needed`, None for the others. `cotangents`: of y and the final states."""
    work = Pass(way, inputs)
    T, B, H = work.T, work.B, work.H
    computed = [o for o, operand in enumerate(way.kernel.recurrence.operands) if operand.state is None]
    arrays: dict[str, Tensor | int | None] = {
        "y": stored.y,
        "others": stored.others,
        "kept": stored.kept,
        "d_y": None if cotangents[0] is None else cotangents[0].contiguous(),
        "d_final": _joined(work, cotangents[1:]),
        "d_acc": work.empty(T, B, work.accs, H),
        "operands": work.empty(len(computed), T, B, H),
        "d_vector": work.x.new_empty(B, len(way.kernel.recurrence.vectors), H, dtype=torch.float32),
        "d_initial": work.empty(work.states, B, H),
    }
    if way.plan.route == "steps":
        from harness_fused.cuda.steps import backward_steps

        backward_steps(work, arrays)
    else:
        work.launch(way.plan.backward[0], **arrays)
    from harness_fused.cuda.outer import gradients

    return gradients(work, arrays, needed)


def _joined(work: Pass, cotangents: Sequence[Tensor | None]) -> Tensor | None:
    if all(given is None for given in cotangents):
        return None
    return torch.stack([work.x.new_zeros(work.B, work.H) if given is None else given for given in cotangents])
