"""What a cell computes on a case: outputs, final states and every gradient, by its own step or by a layer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from harness.backend import LayerPlan
from harness.cell import Cell
from harness.conformance.cases import Array, Case, Inputs, start_state
from harness.layer import State, torch_dtype
from harness.ops import NumpyOps, TorchOps
from harness.unroll import unroll

FORM = "outputs have the form of the contract"

Kind = Literal["y", "final", "gradient of x", "gradient of a state", "gradient of a parameter"]
Forward = Callable[[Tensor, State | None], tuple[Tensor, State]]


@dataclass(frozen=True, slots=True, eq=False)
class Quantity:
    """One tensor of an outcome, in float64."""

    name: str
    kind: Kind
    value: Array


Outcome = tuple[Quantity, ...]
"""Outputs and final states, then the gradients of every backward pass, always in the same order."""


class Objection(Exception):
    """Why a comparison cannot be made: the claim that does not hold, and how."""

    def __init__(self, claim: str, detail: str) -> None:
        super().__init__(detail)
        self.claim = claim


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """The float64 outcome: forward by the step in NumPy, gradients by torch's autograd of the same step.

    `disagreement`: the largest difference between the two forwards, in units of the largest output (at least 1).
    """

    outcome: Outcome
    disagreement: float

    @property
    def is_finite(self) -> bool:
        """Whether it is one at all."""
        return all(np.isfinite(quantity.value).all() for quantity in self.outcome)


def reference(cell: Cell, case: Case, inputs: Inputs) -> Reference:
    """Both float64 runs of a case."""
    forward = compute_forward(cell, case, inputs)
    by_torch = eager(cell, inputs, LayerPlan(inputs=case.I, hidden=case.H, dtype="float64"))
    computed = [replace(q, value=value) for q, value in zip(by_torch, forward, strict=False)]
    scale = max(1.0, *(float(np.max(np.abs(value))) for value in forward))
    apart = float(np.max([np.max(np.abs(a.value - b)) for a, b in zip(by_torch, forward, strict=False)]))
    return Reference(outcome=(*computed, *by_torch[len(forward) :]), disagreement=apart / scale)


def compute_forward(cell: Cell, case: Case, inputs: Inputs) -> list[Array]:
    """y and the final states by the cell's step on NumPy float64."""
    start = start_state(cell, case) if inputs.state is None else inputs.state
    y, final = unroll(cell, NumpyOps(), inputs.weights, inputs.x, start)
    return [np.stack(y), *final]


def eager(cell: Cell, inputs: Inputs, plan: LayerPlan) -> Outcome:
    """The cell's step, looped under autograd on the plan's device in the plan's dtype."""
    parameters = {name: tensor(weight, plan).requires_grad_() for name, weight in inputs.weights.items()}
    case = Case(T=len(inputs.x), B=inputs.x.shape[1], I=plan.inputs, H=plan.hidden)

    def forward(x: Tensor, state: State | None) -> tuple[Tensor, State]:
        start = tuple(tensor(part, plan) for part in start_state(cell, case)) if state is None else state
        y, final = unroll(cell, TorchOps(), parameters, x, start)
        return torch.stack(y), final

    return run(cell, forward, parameters, inputs, plan)


def run(cell: Cell, forward: Forward, parameters: Mapping[str, Tensor], inputs: Inputs, plan: LayerPlan) -> Outcome:
    """Runs forward and one backward per pass. Raises Objection for outputs of another form than the contract's."""
    x = tensor(inputs.x, plan).requires_grad_()
    state = None if inputs.state is None else tuple(tensor(part, plan).requires_grad_() for part in inputs.state)
    y, final = well_formed(cell, plan, x, forward(x, state))
    names = list(cell.states(plan.inputs, plan.hidden))
    outcome = [Quantity("y", "y", array(y))]
    outcome += [Quantity(f"final {name}", "final", array(part)) for name, part in zip(names, final, strict=True)]
    leaves: list[tuple[str, Kind, Tensor]] = [("gradient of x", "gradient of x", x)]
    leaves += [(f"gradient of initial {n}", "gradient of a state", s) for n, s in zip(names, state or (), strict=False)]
    leaves += [(f"gradient of {n}", "gradient of a parameter", p) for n, p in parameters.items()]
    for cotangents in inputs.passes:
        given = [None if c is None else tensor(c, plan) for c in cotangents]
        gradients = differentiate((y, *final), given, [leaf for _, _, leaf in leaves])
        outcome += [Quantity(n, kind, array(g)) for (n, kind, _), g in zip(leaves, gradients, strict=True)]
    return tuple(outcome)


def differentiate(
    outputs: tuple[Tensor, ...], cotangents: Sequence[Tensor | None], leaves: Sequence[Tensor]
) -> list[Tensor]:
    """Σ cotangent · ∂output/∂leaf for every leaf; zeros for a leaf that nothing reaches. The graph is kept."""
    used = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if c is not None and o.requires_grad]
    if not used:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found: tuple[Tensor | None, ...] = torch.autograd.grad(
        [o for o, _ in used], leaves, [c for _, c in used], retain_graph=True, allow_unused=True
    )
    return [torch.zeros_like(leaf) if g is None else g for g, leaf in zip(found, leaves, strict=True)]


def well_formed(cell: Cell, plan: LayerPlan, x: Tensor, returned: Any) -> tuple[Tensor, State]:
    """What a layer returned, once it has the contract's form. Raises Objection, saying what it has not."""
    if not (isinstance(returned, tuple) and len(returned) == 2 and isinstance(returned[1], tuple)):
        raise Objection(FORM, f"wanted (y, states) with states a tuple, found {_form(returned)}")
    y, final = returned
    shapes = {"y": (*x.shape[:2], plan.hidden)}
    shapes |= {f"final {n}": (x.shape[1], *s) for n, s in cell.states(plan.inputs, plan.hidden).items()}
    wanted = {name: (shape, torch_dtype(plan.dtype), x.device) for name, shape in shapes.items()}
    if len(final) != len(shapes) - 1:
        raise Objection(FORM, f"wanted {len(shapes) - 1} final states, found {len(final)}")
    for (name, form), part in zip(wanted.items(), (y, *final), strict=True):
        if not isinstance(part, Tensor) or (tuple(part.shape), part.dtype, part.device) != form:
            raise Objection(FORM, f"wanted {name} of shape {form[0]}, {form[1]} on {form[2]}, found {_form(part)}")
    return y, final


def tensor(value: Array, plan: LayerPlan) -> Tensor:
    """The values in the plan's dtype on the plan's device, in memory of its own."""
    return torch.tensor(value, dtype=torch_dtype(plan.dtype), device=plan.device)


def array(value: Tensor) -> Array:
    """The values in float64, a copy."""
    return np.array(value.detach().double().cpu().numpy())


def _form(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)}, {value.dtype} on {value.device}"
    if isinstance(value, tuple | list):
        return f"{type(value).__name__} of {', '.join(type(part).__name__ for part in value) or 'nothing'}"
    return type(value).__name__
