"""The route `steps`: for each phase of each step torch's product, then one pointwise kernel.

Every tensor is made before the first step and nothing is read back, so that a CUDA graph can capture all of it.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness_fused.cuda.plan import Launch
from harness_fused.cuda.tiling import counts_of

if TYPE_CHECKING:
    from harness_fused.cuda.passes import Pass


class Products:
    """The in-loop products of a pass, by phase."""

    def __init__(self, work: "Pass") -> None:
        recurrence = work.kernel.recurrence
        self._work, self._product, self._slots = work, work.given["product"], work.given["slots"]
        self.operands = [
            [o for o, operand in enumerate(recurrence.operands) if operand.phase == k] for k in range(recurrence.phases)
        ]
        reading = {acc for acc, _ in work.pairs}
        self._readers = [
            [i for i, acc in enumerate(recurrence.accumulators) if acc.phase == k and i in reading]
            for k in range(recurrence.phases)
        ]
        self._spans = [range(min(readers, default=0), max(readers, default=-1) + 1) for readers in self._readers]
        self._matrices = self._of(self._readers)
        self._back = self._of(self._spans)

    def _of(self, rows: Sequence[Sequence[int]]) -> list[dict[int, Tensor]]:
        """By phase and operand, the matrices of the accumulators named for each phase, one above the other."""
        return [
            {o: self._matrix(accs, o) for o in operands} for accs, operands in zip(rows, self.operands, strict=True)
        ]

    def _matrix(self, accs: Sequence[int], operand: int) -> Tensor:
        """[accs · H, H], zeros where one does not read the operand."""
        work, H = self._work, self._work.H
        found = work.x.new_zeros(len(accs), H, H)
        for n, acc in enumerate(accs):
            if (acc, operand) in work.pairs:
                found[n] = work.weights[work.pairs.index((acc, operand))]
        return found.view(len(accs) * H, H)

    def forward(self, phase: int) -> Tensor:
        """[B, readers, H]: what the phase's accumulators are given by the operands at hand."""
        B, H, readers = self._work.B, self._work.H, len(self._readers[phase])
        out = self._product.view(-1)[: B * readers * H].view(B, readers * H)
        for n, o in enumerate(self.operands[phase]):
            matrix = self._matrices[phase][o].T
            if n:
                out.addmm_(self._slots[o], matrix)
            else:
                torch.mm(self._slots[o], matrix, out=out)
        return out

    def backward(self, phase: int, d_acc: Tensor) -> Tensor:
        """[B, operands of the phase, H] from d_acc [B, ACCS, H] of one step."""
        B, H, operands = self._work.B, self._work.H, self.operands[phase]
        out = self._product.view(-1)[: B * len(operands) * H].view(B, len(operands), H)
        span = self._spans[phase]
        slopes = d_acc[:, span.start : span.stop].reshape(B, len(span) * H)
        for n, o in enumerate(operands):
            out[:, n] = slopes @ self._back[phase][o]
        return out


def forward_steps(work: "Pass", launches: Sequence[Launch], arrays: Mapping[str, Any]) -> None:
    """All steps; `launches`: by phase. `arrays`: of the whole sequence, see driver/call.cuh."""
    own, slots = work.given["own"], work.given["slots"]
    operands = work.kernel.recurrence.operands
    own[: work.states].copy_(work.initial)
    for o, operand in enumerate(operands):
        if operand.state is not None:
            slots[o].copy_(work.initial[operand.state])
    products = Products(work)
    for t in range(work.T):
        for k, launch in enumerate(launches):
            work.launch(launch, step=t, product=products.forward(k), **arrays)
    arrays["final"].copy_(own[: work.states])


def backward_steps(work: "Pass", arrays: Mapping[str, Any]) -> None:
    """All steps, from the last one; d_initial at the end."""
    own, d_acc = work.given["own"], arrays["d_acc"]
    own.zero_()
    if arrays["d_final"] is not None:
        own[: work.states].copy_(arrays["d_final"])
    products = Products(work)
    last = len(work.plan.backward) - 1
    for t in reversed(range(work.T)):
        for n, launch in enumerate(work.plan.backward):
            feeding, at = (0, t + 1) if n == 0 else (last - n + 1, t)
            given = products.backward(feeding, d_acc[at]) if at < work.T else work.given["product"]
            work.launch(launch, step=t, product=given, **arrays)
    arrays["d_initial"].copy_(own[: work.states])
    found = products.backward(0, d_acc[0])
    for n, o in enumerate(products.operands[0]):
        arrays["d_initial"][work.kernel.recurrence.operands[o].state] += found[:, n]
    counts = counts_of(work.kernel.recurrence)
    end = counts.own(back=True)
    arrays["d_vector"].copy_(own[end - counts.vectors : end].transpose(0, 1))
