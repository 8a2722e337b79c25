"""A fused cell as one node of torch's graph: the loops in the library, the large products by torch."""

import torch
from torch import Tensor

from harness.backend import LayerPlan
from harness.cell import Cell
from harness.errors import HarnessError
from harness.layer import CellLayer, State
from harness_fused.kernel import Kernel, kernel_of
from harness_fused.passes import backward, forward


class FusedLayer(CellLayer):
    """A cell's own step, compiled. Raises HarnessError for tensors of another number format or device."""

    def __init__(self, cell: Cell, plan: LayerPlan, recompute: int | None = None) -> None:
        super().__init__(cell, plan)
        self._kernel = kernel_of(cell, plan)
        self._recompute = recompute
        self._kernel.library  # noqa: B018 -- compiled here, not in the first step

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states; without gradients nothing is kept for backward."""
        inputs = (x, *state, *self._parameters.values())  # `parameters()` takes as long as a short step
        _check(inputs)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
            y, *final = _Fused.apply(self._kernel, self._recompute, *inputs)
            return y, tuple(final)
        y, final, _ = forward(self._kernel, inputs, keep=False)
        return y, final


class _Fused(torch.autograd.Function):
    """(kernel, steps between stored states, x, states…, weights…) → (y, final states…)."""

    @staticmethod
    def forward(ctx, kernel: Kernel, recompute: int | None, *inputs: Tensor) -> tuple[Tensor, ...]:
        y, final, kept = forward(kernel, inputs, keep=True, recompute=recompute)
        ctx.kernel, ctx.recompute, ctx.count = kernel, recompute, len(inputs)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, y, *kept)
        return y, *final

    @staticmethod
    def backward(ctx, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        # Only create_graph leaves gradients enabled here; going on would lose the second derivative silently.
        if torch.is_grad_enabled():
            raise HarnessError(
                "wanted a first derivative of a layer of the backend fused, found create_graph=True",
                hint="it has no second derivative; build the cell on the backend eager",
            )
        inputs, stored = ctx.saved_tensors[: ctx.count], ctx.saved_tensors[ctx.count :]
        return None, None, *backward(ctx.kernel, inputs, stored, cotangents, ctx.needs_input_grad[2:], ctx.recompute)


def _check(inputs: tuple[Tensor, ...]) -> None:
    wanted = inputs[-1]
    for tensor in inputs:
        if tensor.dtype != wanted.dtype or tensor.device.type != "cpu":
            raise HarnessError(
                f"wanted every tensor in {wanted.dtype} on cpu, found {tensor.dtype} on {tensor.device}",
                hint="`.to(device, dtype)` before the layer",
            )
