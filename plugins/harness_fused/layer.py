"""A fused cell as one node of torch's graph, whoever runs its loops."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from harness.backend import LayerPlan
from harness.cell import Cell
from harness.errors import HarnessError
from harness.layer import CellLayer, State, torch_dtype
from harness_fused.kernel import Kernel
from harness_fused.passes import backward, forward


class Runner(Protocol):
    """Both directions of a cell on one kind of device. `inputs`: x [T, B, I], the states [B, H] each, the weights."""

    note: str
    """How the last call was run, where there is more than one way."""

    def forward(self, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], Sequence[Tensor]]:
        """y [T, B, H], the final states, and with `keep` what backward needs beside inputs and y."""
        ...

    def backward(
        self,
        inputs: Sequence[Tensor],
        stored: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """The gradients of the inputs that are `needed`. `stored`: y and what forward kept; a cotangent may be None."""
        ...


@dataclass(frozen=True)
class CpuRunner:
    """By the compiled library, loaded when the runner is made; `recompute`: steps between stored states."""

    kernel: Kernel
    recompute: int | None = None
    note = ""

    def __post_init__(self) -> None:
        self.kernel.library  # noqa: B018 -- compiled here, not in the first step

    def forward(self, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], Sequence[Tensor]]:
        """See `passes.forward`."""
        return forward(self.kernel, inputs, keep, self.recompute)

    def backward(
        self,
        inputs: Sequence[Tensor],
        stored: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """See `passes.backward`."""
        return backward(self.kernel, inputs, stored, cotangents, needed, self.recompute)


class FusedLayer(CellLayer):
    """A cell's own step, compiled. Raises HarnessError for tensors of another number format or device."""

    def __init__(self, cell: Cell, plan: LayerPlan, runner: Runner) -> None:
        super().__init__(cell, plan)
        self.runner = runner
        self._dtype, self._device = torch_dtype(plan.dtype), torch.device(plan.device).type

    @property
    def note(self) -> str:
        """How the last call was run."""
        return self.runner.note

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states; without gradients nothing is kept for backward."""
        inputs = (x, *state, *self._parameters.values())  # `parameters()` takes as long as a short step
        self._check_formats(inputs)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
            y, *final = _Fused.apply(self.runner, *inputs)
            return y, tuple(final)
        y, final, _ = self.runner.forward(inputs, keep=False)
        return y, final

    def _check_formats(self, inputs: tuple[Tensor, ...]) -> None:
        """The kernel reads bytes: a layer that was moved or cast has none for its weights."""
        dtype, place = self._dtype, inputs[-1].device
        for tensor in inputs:
            if tensor.dtype is not dtype or tensor.device != place or place.type != self._device:
                raise HarnessError(
                    f"wanted every tensor in {self._dtype} on {self._device}, as the layer was built, "
                    f"found {tensor.dtype} on {tensor.device}",
                    hint="`.to(device, dtype)` before the layer; another number format or device is another layer",
                )


class _Fused(torch.autograd.Function):
    """(runner, x, states…, weights…) → (y, final states…)."""

    @staticmethod
    def forward(ctx, runner: Runner, *inputs: Tensor) -> tuple[Tensor, ...]:
        y, final, kept = runner.forward(inputs, keep=True)
        ctx.runner, ctx.count = runner, len(inputs)
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
        saved = ctx.saved_tensors  # asked for once: what is computed again under a checkpoint is there once
        inputs, stored = saved[: ctx.count], saved[ctx.count :]
        return None, *ctx.runner.backward(inputs, stored, cotangents, ctx.needs_input_grad[1:])
