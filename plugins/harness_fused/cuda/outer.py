"""Gradients of weights and of x, after backward: large products over all steps at once, by torch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from harness_fused.kernel import BIAS, VECTOR, Run
from harness_fused.recurrence import X

if TYPE_CHECKING:
    from harness_fused.cuda.passes import Pass


def gradients(work: "Pass", arrays: Mapping[str, Any], needed: Sequence[bool]) -> list[Tensor | None]:
    """By input, as `passes.backward` returns them. `arrays`: what the kernels were given and wrote."""
    d_acc = arrays["d_acc"].view(work.T * work.B, work.accs, work.H)
    d_x = _of_x(work, d_acc) if needed[0] else None
    d_states = [part.clone() if wanted else None for part, wanted in zip(arrays["d_initial"], needed[1:], strict=False)]
    wanted = zip(work.parameters.items(), needed[1 + work.states :], strict=True)
    found = {name: torch.zeros_like(weight) for (name, weight), is_wanted in wanted if is_wanted}
    total = {BIAS: d_acc, VECTOR: arrays["d_vector"]}
    runs = [run for run in work.kernel.runs if run.parameter in found]
    sums = {kind: total[kind].sum(0, dtype=torch.float32) for kind in {run.operand for run in runs} & set(total)}
    for run in runs:
        to = found[run.parameter]
        if run.operand in sums:
            part = sums[run.operand][run.first : run.last].reshape(-1)
            to[run.offset : run.offset + len(part)] += part.to(to.dtype)
        else:
            _add(work, run, to, d_acc, arrays)
    return [d_x, *d_states, *(found.get(name) for name in work.parameters)]


def _of_x(work: "Pass", d_acc: Tensor) -> Tensor:
    # A list as an index would be copied to the GPU, which a CUDA graph cannot record.
    rows = d_acc if len(work.x_readers) == work.accs else torch.stack([d_acc[:, i] for i in work.x_readers], 1)
    return (rows.reshape(len(d_acc), -1) @ work.of_x()).view(work.x.shape)


def _add(work: "Pass", run: Run, to: Tensor, d_acc: Tensor, arrays: Mapping[str, Any]) -> None:
    """One run's part of its matrices' gradient: neighbouring accumulators, one operand."""
    rows = (run.last - run.first) * work.H
    mine = d_acc[:, run.first : run.last].reshape(work.T, work.B, rows)
    width = work.I if run.operand == X else work.H
    into = to.as_strided((rows, width), (run.row, run.column), run.offset)
    for slopes, operand in _beside(work, run.operand, mine, arrays):
        into += slopes.flatten(0, 1).T @ operand.flatten(0, 1)


def _beside(work: "Pass", operand: int, slopes: Tensor, arrays: Mapping[str, Any]) -> list[tuple[Tensor, Tensor]]:
    """Slopes and what their products read at the same steps: previous states begin with the initial one."""
    if operand == X:
        return [(slopes, work.x)]
    state = work.kernel.recurrence.operands[operand].state
    if state is None:
        before = work.kernel.recurrence.operands[:operand]
        return [(slopes, arrays["operands"][sum(other.state is None for other in before)])]
    after = arrays["others"][state - 1] if state else arrays["y"]
    return [(slopes[:1], work.initial[state : state + 1]), (slopes[1:], after[:-1])]
