"""What layers share: the cell's parameters by the cell's names, and the initial state. Imports torch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.backend import Dtype, LayerPlan
from harness.cell import Cell, Weights
from harness.errors import HarnessError

State = tuple[Tensor, ...]


class CellLayer(nn.Module):
    """A layer to subclass: holds `cell`, `plan` and the parameters, checks its input, calls `run`.

    A backend's layer overrides `run(x, state)`: `x`: [T, B, I], `state`: one [B, …] per state → `y`: [T, B, H]
    and the final states. Raises HarnessError for an input or a state of the wrong shape.
    """

    def __init__(self, cell: Cell, plan: LayerPlan) -> None:
        super().__init__()
        self.cell = cell
        self.plan = plan
        dtype, device = torch_dtype(plan.dtype), plan.device
        for name, shape in cell.parameters(plan.inputs, plan.hidden).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape, dtype=dtype, device=device)))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states."""
        if x.ndim != 3 or x.shape[0] == 0 or x.shape[-1] != self.plan.inputs:
            raise HarnessError(f"wanted x of shape [T, B, {self.plan.inputs}] with T ≥ 1, found {list(x.shape)}")
        return self.run(x, self._checked(state, x))

    @property
    def note(self) -> str:
        """How the last call was run, for its row; empty where there is one way only. A backend's layer may say."""
        return ""

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The backend's own: runs the cell over the sequence."""
        raise NotImplementedError

    def bare(self, state: State) -> Callable[[Tensor], tuple[Tensor, State]]:
        """The call that is timed: x → y and final states, from this state. Override it only where this class merely
        wraps a library whose users call it directly; it must compute the same bits.
        """
        return lambda x: self(x, state)

    def weights(self) -> dict[str, Tensor]:
        """The parameters by the cell's names."""
        return dict(self.named_parameters())

    def _checked(self, state: Any, x: Tensor) -> State:
        shapes = self.cell.states(self.plan.inputs, self.plan.hidden)
        wanted = [(x.shape[1], *shape) for shape in shapes.values()]
        if state is None:
            start = self.cell.initial_state(self.plan.inputs, self.plan.hidden)
            rows = [torch.as_tensor(start[name], dtype=x.dtype, device=x.device) for name in shapes]
            return tuple(row.expand(shape).clone() for row, shape in zip(rows, wanted, strict=True))
        if not isinstance(state, tuple) or [tuple(s.shape) for s in state] != wanted:
            found = [tuple(s.shape) for s in state] if isinstance(state, tuple | list) else type(state).__name__
            raise HarnessError(f"wanted a tuple of states of shapes {wanted}, found {found}")
        return state


def copy_weights(layer: Any, weights: Weights) -> None:
    """Copies initial weights into a layer, rounded to the layer's number format.

    Raises HarnessError where the layer's parameters are not exactly the cell's.
    """
    found = {name: tuple(parameter.shape) for name, parameter in layer.named_parameters()}
    wanted = {name: tuple(np.shape(weight)) for name, weight in weights.items()}
    if found != wanted:
        raise HarnessError(f"wanted a layer with the parameters {wanted}, found {found}")
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            parameter.copy_(torch.as_tensor(weights[name]))


def torch_dtype(dtype: Dtype) -> torch.dtype:
    """The storage format of a harness dtype; `tf32` is stored as float32."""
    return torch.float32 if dtype == "tf32" else getattr(torch, dtype)
