"""The bridge: NumPy's two passes as one node of torch's graph, the tensors' memory shared with NumPy, not copied."""

from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from harness.errors import HarnessError
from harness.layer import CellLayer, State
from harness_numpy import gru, gru_reset_before, lstm, rnn
from harness_numpy.products import Call

PASSES = {"rnn": rnn, "lstm": lstm, "gru": gru, "gru_reset_before": gru_reset_before}


class NumpyLayer(CellLayer):
    """A cell's hand-written passes. Raises HarnessError for tensors of another number format or device."""

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states; without gradients nothing is kept for backward."""
        weights = self.weights()
        passes = PASSES[self.cell.about.name]
        inputs = (x, *state, *weights.values())
        _check(inputs)
        if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in inputs):
            y, *final = _Passes.apply(passes, tuple(weights), *inputs)
            return y, tuple(final)
        with np.errstate(all="ignore"):
            y, final, _ = passes.forward(_call(tuple(weights), inputs), False)
        return torch.from_numpy(y), tuple(torch.from_numpy(part) for part in final)


class _Passes(torch.autograd.Function):
    """(passes, names of the weights, x, states…, weights…) → (y, final states…)."""

    @staticmethod
    def forward(ctx, passes: ModuleType, names: tuple[str, ...], *inputs: Tensor) -> tuple[Tensor, ...]:
        # Overflow is told by infinities in the result, as torch tells it, not by NumPy's warnings.
        with np.errstate(all="ignore"):
            y, final, kept = passes.forward(_call(names, inputs), True)
        outputs = [torch.from_numpy(part) for part in (y, *final)]
        ctx.passes, ctx.names, ctx.count = passes, names, len(inputs)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, outputs[0], *map(torch.from_numpy, kept))
        return tuple(outputs)

    @staticmethod
    def backward(ctx, *cotangents: Tensor | None) -> tuple[Tensor | None, ...]:
        # Only create_graph leaves gradients enabled here; going on would lose the second derivative silently.
        if torch.is_grad_enabled():
            raise HarnessError(
                "wanted a first derivative of a layer of the backend numpy, found create_graph=True",
                hint="it has no second derivative; build the cell on the backend eager",
            )
        saved = ctx.saved_tensors  # asked for once: what is computed again under a checkpoint is there once
        inputs, (y, *kept) = saved[: ctx.count], saved[ctx.count :]
        call = _call(ctx.names, inputs)
        names = ("x", *_states(call), *ctx.names)
        wanted = {name for name, needed in zip(names, ctx.needs_input_grad[2:], strict=True) if needed}
        likes = (y, *inputs[1 : len(cotangents)])
        given = tuple(_cotangent(c, like) for c, like in zip(cotangents, likes, strict=True))
        with np.errstate(all="ignore"):
            found = ctx.passes.backward(call, y.numpy(), tuple(part.numpy() for part in kept), given, wanted)
        return None, None, *(torch.from_numpy(found[name]) if name in wanted else None for name in names)


def _call(names: tuple[str, ...], inputs: tuple[Tensor, ...]) -> Call:
    x, *rest = (tensor.detach().numpy() for tensor in inputs)
    states = len(rest) - len(names)
    return Call(
        x=np.ascontiguousarray(x),
        state=tuple(np.ascontiguousarray(part) for part in rest[:states]),
        weights=dict(zip(names, rest[states:], strict=True)),
    )


def _states(call: Call) -> tuple[str, ...]:
    return ("h", "c")[: len(call.state)]


def _cotangent(given: Tensor | None, like: Tensor) -> np.ndarray:
    """As given, expanded or strided; an absent one is a zero seen as often as needed."""
    return (like.new_zeros(1).expand(like.shape) if given is None else given.detach()).numpy()


def _check(inputs: tuple[Tensor, ...]) -> None:
    wanted = inputs[-1]
    for tensor in inputs:
        if tensor.dtype != wanted.dtype or tensor.device.type != "cpu":
            raise HarnessError(
                f"wanted every tensor in {wanted.dtype} on cpu, found {tensor.dtype} on {tensor.device}",
                hint="`.to(device, dtype)` before the layer",
            )
