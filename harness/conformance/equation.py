"""Is the cell itself right? Its vocabulary, its initial weights, its examples, its derivative."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from harness import seeds
from harness.backend import LayerPlan
from harness.blame import place
from harness.cell import Cell, Example
from harness.conformance.cases import Case, Inputs, draw, start_state
from harness.conformance.reference import compute_forward, eager
from harness.conformance.report import Check
from harness.counting import count
from harness.errors import HarnessError
from harness.ops import NumpyOps
from harness.unroll import unroll

FINITE = "the reference is finite"
NOT_FINITE = "the step in float64 gives infinities or NaN"

SMALL = Case(T=3, B=2, I=2, H=3)
DIRECTIONS = 3
STEP = 1e-5
DERIVATIVE_TOLERANCE = 1e-6
"""Central differences are wrong by about STEP² times a third derivative, and by 1e-16 / STEP of the sum."""


def check_equation(cell: Cell) -> Iterator[Check]:
    """The checks that need no backend, up to the first that fails: each relies on those before it."""
    checks: list[Callable[[], Check]] = [partial(check_vocabulary, cell), partial(check_initial_weights, cell)]
    examples = enumerate(cell.examples(), start=1)
    checks += [partial(check_example, cell, example, number) for number, example in examples]
    checks.append(partial(check_derivative, cell))
    for make in checks:
        check = make()
        yield check
        if not check.passed:
            return


def check_vocabulary(cell: Cell) -> Check:
    """The step uses nothing outside `harness.ops`, and returns states of the shapes it declares."""
    try:
        count(cell, SMALL.I, SMALL.H)
    except HarnessError as error:
        line = f", in {found}" if (found := place(error)) else ""
        said = HarnessError(f"{error.message}{line}", hint=error.hint)
        return Check(name="vocabulary", passed=False, where=f"I{SMALL.I} H{SMALL.H}", detail=str(said))
    return Check(name="vocabulary", passed=True)


def check_initial_weights(cell: Cell) -> Check:
    """`initialise` and `initial_state` draw finite numbers of the shapes that `parameters` and `states` declare."""
    weights = cell.initialise(seeds.stream(0, "gate", "initial weights"), SMALL.I, SMALL.H)
    start = cell.initial_state(SMALL.I, SMALL.H)
    wanted = {**cell.parameters(SMALL.I, SMALL.H), **cell.states(SMALL.I, SMALL.H)}
    found = {name: np.shape(value) for name, value in {**weights, **start}.items()}
    detail = "" if found == wanted else f"wanted {wanted}, found {found}"
    if not detail and not all(np.isfinite(value).all() for value in [*weights.values(), *start.values()]):
        detail = "wanted finite numbers, found others"
    return Check(name="initial weights", passed=not detail, detail=detail)


def check_example(cell: Cell, example: Example, number: int) -> Check:
    """The step in float64 computes what the example's source did."""
    name = f"example {number}"
    with np.errstate(all="ignore"):
        y, final = unroll(cell, NumpyOps(), example.weights, example.x, example.state)
    found, wanted = [np.stack(y), *final], [example.y, *example.final]
    shapes = [np.shape(part) for part in found], [np.shape(part) for part in wanted]
    if shapes[0] != shapes[1]:
        detail = f"the step gives shapes {shapes[0]}, {example.source} {shapes[1]}"
        return Check(name=name, passed=False, detail=detail)
    error = float(np.max([np.max(np.abs(a - b)) for a, b in zip(found, wanted, strict=True)]))  # NaN, if one is
    error = error if np.isfinite(error) else np.inf
    detail = f"the step differs by {error:.1e} (allowed {example.tolerance:.0e}) from {example.source}"
    return Check(name=name, passed=error <= example.tolerance, figure=error / example.tolerance, detail=detail)


def check_derivative(cell: Cell) -> Check:
    """Autograd's derivative of the step equals central differences, along random directions of all inputs at once.

    Where it is not finite there is nothing to compare, and that is the check that fails.
    """
    with np.errstate(all="ignore"):
        inputs = draw(cell, SMALL, "float64")
        outcome = eager(cell, inputs, LayerPlan(inputs=SMALL.I, hidden=SMALL.H, dtype="float64"))
        gradients = [quantity.value for quantity in outcome if quantity.kind.startswith("gradient")]
        size = float(np.sqrt(sum(np.sum(gradient**2) for gradient in gradients)))
        if not np.isfinite(size):
            return Check(name=FINITE, passed=False, where=str(SMALL), detail=NOT_FINITE)
        figures = []
        for k in range(DIRECTIONS):
            rng = seeds.stream(0, "gate", "direction", k)
            direction = [rng.standard_normal(gradient.shape) for gradient in gradients]
            slope = sum(float(np.sum(g * d)) for g, d in zip(gradients, direction, strict=True))
            difference = _objective(cell, inputs, direction, STEP) - _objective(cell, inputs, direction, -STEP)
            figures.append(abs(difference / (2 * STEP) - slope) / (DERIVATIVE_TOLERANCE * max(1.0, size)))
    figure = float(np.max(figures))  # NaN, if one is
    detail = f"autograd and finite differences disagree {figure:.1e} times as much as they may"
    return Check(name="derivative", passed=figure <= 1, figure=figure, where=str(SMALL), detail=detail)


def _objective(cell: Cell, inputs: Inputs, direction: list[np.ndarray], step: float) -> float:
    """Σ cotangent · output, the inputs moved by `step` along the direction: x, states, then parameters."""
    moves = iter(direction)
    x = inputs.x + step * next(moves)
    state = tuple(part + step * next(moves) for part in inputs.state or start_state(cell, SMALL))
    weights = {name: weight + step * next(moves) for name, weight in inputs.weights.items()}
    outputs = compute_forward(cell, SMALL, replace(inputs, x=x, state=state, weights=weights))
    (cotangents,) = inputs.passes
    return sum(float(np.sum(c * o)) for c, o in zip(cotangents, outputs, strict=True) if c is not None)
