"""The gate of a cell without an equation: its layer against itself, for there is nothing else to hold it against."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import torch

from harness import seeds
from harness.backend import Backend, Dtype, Layer, LayerPlan
from harness.cell import Cell
from harness.conformance.behaviour import build_probe, check_behaviour
from harness.conformance.cases import CASES, PROBE, Array, Case, Inputs, draw
from harness.conformance.equation import (
    DERIVATIVE_TOLERANCE,
    DIRECTIONS,
    FINITE,
    SMALL,
    STEP,
    check_initial_weights,
)
from harness.conformance.gate import Finding, build_layer, compare, summarise
from harness.conformance.reference import Objection, Outcome, run
from harness.conformance.report import Check, GateReport
from harness.layer import torch_dtype


def examine(cell: Cell, backend: Backend, device: str, dtype: Dtype, cases: tuple[Case, ...] = CASES) -> GateReport:
    """Every check that needs no reference; equal arguments give equal reports.

    On every shape the layer in the dtype at hand against the same layer in float64 on the CPU; its derivative
    against central differences; and its behaviour, as of any layer. What it computes may still be anything.
    Exceptions of the module's own propagate.
    """
    start = check_initial_weights(cell)
    if not start.passed:
        return GateReport(checks=(start,), equation=False)
    findings: list[Finding] = []
    claims: list[Check] = []
    for case in (case for case in cases if case.spread == 1):  # spread weights may make anybody's module chaotic
        plan = LayerPlan(inputs=case.I, hidden=case.H, device=device, dtype=dtype)
        try:
            inputs = draw(cell, case, dtype)
            wanted = _exact(cell, backend, plan, inputs)
            if not all(np.isfinite(quantity.value).all() for quantity in wanted):
                if case.altered:
                    continue
                raise Objection(FINITE, "the module in float64 gives infinities or NaN")
            layer = build_layer(cell, backend, plan, inputs)
            outcome = run(cell, layer, dict(layer.named_parameters()), inputs, plan)
            findings += compare(outcome, wanted, case, dtype, partial(_nudged, cell, backend, plan, inputs))
            if case is PROBE:
                claims += check_behaviour(build_probe(cell, layer, plan, inputs))
        except Objection as objection:
            claims.append(Check(name=objection.claim, passed=False, where=str(case), detail=str(objection)))
            break
    else:
        claims += check_derivative(cell, backend)
    checks = (start, *summarise(findings), *claims)
    shapes = len({finding.case for finding in findings})
    worst = max((f.deviation.relative for f in findings if f.is_parameter), default=0.0)
    return GateReport(checks=checks, shapes=shapes, worst_parameter_gradient=worst, equation=False)


def check_derivative(cell: Cell, backend: Backend) -> Iterator[Check]:
    """The layer's gradients in float64 equal central differences, along random directions of all inputs at once."""
    plan = LayerPlan(inputs=SMALL.I, hidden=SMALL.H, dtype="float64")
    inputs = draw(cell, SMALL, "float64")
    gradients = [q.value for q in _exact(cell, backend, plan, inputs) if q.kind.startswith("gradient")]
    size = float(np.sqrt(sum(np.sum(gradient**2) for gradient in gradients)))
    figures = []
    for k in range(DIRECTIONS):
        rng = seeds.stream(0, "gate", "direction", k)
        direction = [rng.standard_normal(gradient.shape) for gradient in gradients]
        slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
        up, down = (_objective(cell, backend, plan, _moved(inputs, direction, step)) for step in (STEP, -STEP))
        figures.append(abs((up - down) / (2 * STEP) - slope) / (DERIVATIVE_TOLERANCE * max(1.0, size)))
    figure = float(np.max(figures))  # NaN, if one is
    detail = f"autograd and finite differences disagree {figure:.1e} times as much as they may"
    yield Check(name="derivative", passed=figure <= 1, figure=figure, where=str(SMALL), detail=detail)


def _exact(cell: Cell, backend: Backend, plan: LayerPlan, inputs: Inputs) -> Outcome:
    """The same layer's outcome in float64 on the CPU."""
    exact = replace(plan, device="cpu", dtype="float64")
    layer: Layer = build_layer(cell, backend, exact, inputs)
    return run(cell, layer, dict(layer.named_parameters()), inputs, exact)


def _nudged(cell: Cell, backend: Backend, plan: LayerPlan, inputs: Inputs) -> Outcome:
    """The outcome in float64 of inputs off by √T roundings of the plan's dtype: how much rounding matters here."""
    rng = seeds.stream(0, "gate", "rounding")
    eps = torch.finfo(torch_dtype(plan.dtype)).eps * len(inputs.x) ** 0.5
    rounded = partial(_rounded_once, rng, eps)
    state = None if inputs.state is None else tuple(map(rounded, inputs.state))
    weights = {name: rounded(weight) for name, weight in inputs.weights.items()}
    return _exact(cell, backend, plan, replace(inputs, x=rounded(inputs.x), state=state, weights=weights))


def _rounded_once(rng: np.random.Generator, eps: float, numbers: Array) -> Array:
    return numbers * (1 + eps * rng.uniform(-1, 1, numbers.shape))


def _moved(inputs: Inputs, direction: list[np.ndarray], step: float) -> Inputs:
    """The inputs, `step` along the direction: x, states, then parameters."""
    moves = iter(direction)
    x = inputs.x + step * next(moves)
    state = tuple(part + step * next(moves) for part in inputs.state or ())
    return replace(
        inputs, x=x, state=state, weights={name: w + step * next(moves) for name, w in inputs.weights.items()}
    )


def _objective(cell: Cell, backend: Backend, plan: LayerPlan, inputs: Inputs) -> float:
    """Σ cotangent · output."""
    (cotangents,) = inputs.passes
    outputs = _exact(cell, backend, plan, inputs)
    return sum(float(np.sum(c * o.value)) for c, o in zip(cotangents, outputs, strict=False) if c is not None)
