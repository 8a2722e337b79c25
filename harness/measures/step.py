"""A trial's step: its cell on a backend at the trial's shape, with the cell's initial weights."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import seeds
from harness.backend import Dtype, LayerPlan
from harness.bench.step import INPUTS, Call, Step
from harness.cell import Cell
from harness.errors import HarnessError
from harness.layer import CellLayer, State, copy_weights, torch_dtype
from harness.measures.outcomes import difference
from harness.plugins import Catalog
from harness.precision import set_tf32
from harness.settings import LayerShape
from harness.trial import Subject, Trial


def build_step(trial: Trial, side: tuple[Subject, str], catalog: Catalog) -> Step:
    """One side of a trial, a cell and the name of a backend, at the trial's shape.

    The initial state is given and is the cell's own; x is N(0, 1). Everything is drawn in float64 and rounded, so
    two backends compute on the same numbers. Raises HarnessError for a trial without a shape.
    """
    shape = required_shape(trial)
    set_tf32(trial.dtype)
    subject, backend = side
    cell = catalog.cell(subject.spelling)
    plan = LayerPlan(inputs=shape.inputs, hidden=shape.hidden, device=trial.device, dtype=trial.dtype)
    layer = catalog.backend(backend).build(cell, plan)
    weights = cell.initialise(seeds.stream(0, "initialise", cell.about.name), shape.inputs, shape.hidden)
    copy_weights(layer, weights)
    like = torch.empty(0, dtype=torch_dtype(trial.dtype), device=trial.device)
    empty = like.new_empty(shape.length, shape.batch, shape.inputs)
    xs = [normal(empty, "x", k).requires_grad_() for k in range(INPUTS)]
    parameters = dict(layer.named_parameters())
    call = _timed_call(layer, xs[0], start_of(cell, shape, like), parameters, trial.dtype)
    return Step(call, xs, [*parameters.values()], cotangent_of, lambda: getattr(layer, "note", ""))


def required_shape(trial: Trial) -> LayerShape:
    """The trial's shape. Raises HarnessError where it has none."""
    if trial.shape is None:
        raise HarnessError(f"wanted a {trial.measure} trial with a shape, found {trial}")
    return trial.shape


def parameter_count(cell: Cell, shape: LayerShape) -> int:
    """How many numbers the cell learns at this shape."""
    return sum(math.prod(size) for size in cell.parameters(shape.inputs, shape.hidden).values())


def _timed_call(layer: Any, x: Tensor, state: State, parameters: Mapping[str, Tensor], dtype: Dtype) -> Call:
    """What is run again and again: the library's own call where a `CellLayer` says so by `bare`, else the layer.

    A wrapper's checks and copies around torch.nn cost 2–4 % of a step at B = 32, T = 40, H = 64 and up to 30 % at
    B = T = H = 1, which nobody who calls torch.nn pays. What is timed must still be what passed the gate: the same
    bits of y forward, and but for rounding the same final states and gradients of x and of every parameter.
    """
    if not isinstance(layer, CellLayer) or getattr(layer.bare, "__func__", None) is CellLayer.bare:
        return lambda x: layer(x, state)
    call = layer.bare(state)
    leaves = {"x": x, **parameters}
    bare, gated = _outcome(call, leaves), _outcome(lambda x: layer(x, state), leaves)
    wrong = difference(gated, bare, dtype) or ("" if np.array_equal(bare["y"], gated["y"]) else "y has other bits")
    if wrong:
        raise HarnessError(f"wanted {type(layer).__name__}.bare to compute what the layer does, found that {wrong}")
    return call


def _outcome(call: Call, leaves: Mapping[str, Tensor]) -> dict[str, NDArray[np.float64]]:
    """y, the final states, and the gradients of all their sums; nothing accumulates in the leaves."""
    y, final = call(leaves["x"])
    outputs = [part for part in (y, *final) if part.requires_grad]
    slopes = [torch.ones_like(part) for part in outputs]
    gradients = torch.autograd.grad(outputs, [*leaves.values()], slopes, allow_unused=True, materialize_grads=True)
    found = {"y": y} | {f"final state {k}": part for k, part in enumerate(final)}
    found |= {f"gradient of {name}": part for name, part in zip(leaves, gradients, strict=True)}
    return {name: float64_of(part).reshape(-1) for name, part in found.items()}


def float64_of(part: Tensor) -> NDArray[np.float64]:
    """The numbers on the CPU in float64."""
    numbers: NDArray[np.float64] = part.detach().to("cpu", torch.float64).numpy()
    return numbers


def start_of(cell: Cell, shape: LayerShape, like: Tensor) -> State:
    """The cell's initial state, one [B, …] per state, contiguous."""
    rows = cell.initial_state(shape.inputs, shape.hidden)
    batch = [np.repeat(row[None], shape.batch, axis=0) for row in rows.values()]
    return tuple(torch.as_tensor(part, dtype=like.dtype, device=like.device) for part in batch)


def cotangent_of(like: Tensor, k: int) -> Tensor:
    """The fixed cotangent of output k."""
    return normal(like, "cotangent", k)


def normal(like: Tensor, *purpose: object) -> Tensor:
    """N(0, 1) of the shape, number format and device of `like`."""
    drawn = seeds.stream(0, "step", *purpose, tuple(like.shape)).standard_normal(tuple(like.shape))
    return torch.as_tensor(drawn, dtype=like.dtype, device=like.device)
