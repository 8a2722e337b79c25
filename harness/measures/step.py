"""A trial's step: its cell on a backend at the trial's shape, with the cell's initial weights."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness import seeds
from harness.backend import LayerPlan
from harness.bench.step import Call, Step
from harness.cell import Cell
from harness.errors import HarnessError
from harness.layer import CellLayer, State, copy_weights, torch_dtype
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
    x = _normal(like.new_empty(shape.length, shape.batch, shape.inputs), "x").requires_grad_()
    state = _start(cell, shape, like)
    leaves = [x, *(parameter for _, parameter in layer.named_parameters())]
    call = _timed_call(layer, x, state)
    return Step(call, x, leaves, lambda like, k: _normal(like, "cotangent", k), lambda: getattr(layer, "note", ""))


def required_shape(trial: Trial) -> LayerShape:
    """The trial's shape. Raises HarnessError where it has none."""
    if trial.shape is None:
        raise HarnessError(f"wanted a {trial.measure} trial with a shape, found {trial}")
    return trial.shape


def parameter_count(cell: Cell, shape: LayerShape) -> int:
    """How many numbers the cell learns at this shape."""
    return sum(math.prod(size) for size in cell.parameters(shape.inputs, shape.hidden).values())


def _timed_call(layer: Any, x: Tensor, state: State) -> Call:
    """What is run again and again: the library's own call where a `CellLayer` says so by `bare`, else the layer.

    A wrapper's checks and copies around torch.nn cost 2–4 % of a step at B = 32, T = 40, H = 64 and up to 30 % at
    B = T = H = 1, which nobody who calls torch.nn pays. What is timed must still be what passed the gate: the same
    bits forward, and back to x the same gradient but for rounding.
    """
    if not isinstance(layer, CellLayer) or getattr(layer.bare, "__func__", None) is CellLayer.bare:
        return lambda x: layer(x, state)
    call = layer.bare(state)
    (y, slope), (gated_y, gated_slope) = _outcome(call, x), _outcome(lambda x: layer(x, state), x)
    if not (torch.equal(y, gated_y) and torch.allclose(slope, gated_slope, rtol=1e-2, atol=1e-4)):
        raise HarnessError(f"wanted {type(layer).__name__}.bare to compute what the layer does, found other numbers")
    return call


def _outcome(call: Call, x: Tensor) -> tuple[Tensor, Tensor]:
    """y, and the gradient of its sum with respect to x; nothing accumulates in the parameters."""
    y, _ = call(x)
    return y.detach(), torch.autograd.grad(y.sum(), x)[0]


def _start(cell: Cell, shape: LayerShape, like: Tensor) -> State:
    """The cell's initial state, one [B, …] per state, contiguous."""
    rows = cell.initial_state(shape.inputs, shape.hidden)
    batch = [np.repeat(row[None], shape.batch, axis=0) for row in rows.values()]
    return tuple(torch.as_tensor(part, dtype=like.dtype, device=like.device) for part in batch)


def _normal(like: Tensor, *purpose: object) -> Tensor:
    """N(0, 1) of the shape, number format and device of `like`."""
    drawn = seeds.stream(0, "step", *purpose, tuple(like.shape)).standard_normal(tuple(like.shape))
    return torch.as_tensor(drawn, dtype=like.dtype, device=like.device)
