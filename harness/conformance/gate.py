"""The gate: does a backend compute a cell's equation, on every shape, with every gradient?"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, partial

import numpy as np

from harness.backend import Backend, Dtype, Layer, LayerPlan
from harness.cell import Cell
from harness.conformance.behaviour import build_probe, check_behaviour
from harness.conformance.cases import CASES, PROBE, Array, Case, Inputs, draw
from harness.conformance.equation import FINITE, NOT_FINITE, check_equation
from harness.conformance.reference import Objection, Outcome, eager, reference, run
from harness.conformance.report import Check, GateReport
from harness.conformance.tolerance import Deviation, deviation
from harness.layer import copy_weights, torch_dtype
from harness.precision import set_tf32

AGREEMENT = 1e-12
"""NumPy's and torch's float64 outputs may differ by this much of the largest one (or of 1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One tensor on one shape."""

    quantity: str
    case: Case
    deviation: Deviation
    is_parameter: bool = False


def examine(
    cell: Cell, backend: Backend, device: str, dtype: Dtype, cases: tuple[Case, ...] = CASES
) -> GateReport:
    """Examines a pair; equal arguments give equal reports. Behaviour is examined where `PROBE` is among the cases.

    First the cell alone: one that fails there is no reference, and no layer is built. Then the layer against the
    reference, then its behaviour. Exceptions of the cell's and the backend's own propagate.
    """
    if device != "cpu":
        set_tf32(dtype)
    equation = tuple(check_equation(cell))
    examples = sum(check.name.startswith("example") for check in equation)
    if not all(check.passed for check in equation):
        return GateReport(checks=equation, examples=examples)
    findings: list[Finding] = []
    claims: list[Check] = []
    for case in cases:
        plan = LayerPlan(inputs=case.I, hidden=case.H, device=device, dtype=dtype)
        try:
            inputs, wanted = prepare(cell, case, dtype)
            if wanted is None:
                continue
            layer = build_layer(cell, backend, plan, inputs)
            outcome = run(cell, layer, dict(layer.named_parameters()), inputs, plan)
            findings += compare(outcome, wanted, case, dtype, partial(eager, cell, inputs, plan))
            if case is PROBE:
                claims += check_behaviour(build_probe(cell, layer, plan, inputs))
        except Objection as objection:
            claims.append(Check(name=objection.claim, passed=False, where=str(case), detail=str(objection)))
            break
    return GateReport(
        checks=(*equation, *summarise(findings), *claims),
        shapes=len({finding.case for finding in findings}),
        examples=examples,
        worst_parameter_gradient=max((f.deviation.relative for f in findings if f.is_parameter), default=0.0),
    )


def prepare(cell: Cell, case: Case, dtype: Dtype) -> tuple[Inputs, Outcome | None]:
    """The inputs of a case and their reference; None where altered weights leave the numbers that float64 has.

    Raises Objection where the cell's own initial weights do, and where NumPy's step and torch's disagree.
    """
    with np.errstate(all="ignore"):
        inputs = draw(cell, case, dtype)
        found = reference(cell, case, inputs)
    if not found.is_finite:
        if case.altered:
            return inputs, None
        raise Objection(FINITE, NOT_FINITE)
    if not found.disagreement <= AGREEMENT:
        figure = f"{found.disagreement:.1e} of the largest output (allowed {AGREEMENT:.0e})"
        raise Objection("the step means one thing", f"NumPy and torch differ in float64 by {figure}")
    return inputs, found.outcome


def build_layer(cell: Cell, backend: Backend, plan: LayerPlan, inputs: Inputs) -> Layer:
    """The backend's layer with the case's weights. Raises Objection where its parameters are not the cell's."""
    layer = backend.build(cell, plan)
    found = {name: (tuple(p.shape), p.dtype) for name, p in layer.named_parameters()}
    shapes = cell.parameters(plan.inputs, plan.hidden)
    wanted = {name: (tuple(shape), torch_dtype(plan.dtype)) for name, shape in shapes.items()}
    if found != wanted:
        raise Objection("the parameters are the cell's", f"wanted the parameters {wanted}, found {found}")
    copy_weights(layer, inputs.weights)
    return layer


def compare(
    outcome: Outcome, wanted: Outcome, case: Case, dtype: Dtype, run_eagerly: Callable[[], Outcome]
) -> list[Finding]:
    """Every tensor of an outcome against its reference; the eager run is made at most once, and only when asked for."""
    once = cache(run_eagerly)

    def eager_value(place: int) -> Array:
        return once()[place].value

    return [
        Finding(
            quantity=target.name,
            case=case,
            is_parameter=target.kind == "gradient of a parameter",
            deviation=deviation(found.value, target, dtype, partial(eager_value, place)),
        )
        for place, (found, target) in enumerate(zip(outcome, wanted, strict=True))
    ]


def summarise(findings: Iterable[Finding]) -> tuple[Check, ...]:
    """One check a tensor, over all shapes: the worst figure, and the smallest shape that fails."""
    by_quantity: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_quantity[finding.quantity].append(finding)
    return tuple(_check(name, found) for name, found in by_quantity.items())


def _check(name: str, findings: list[Finding]) -> Check:
    worst = max(findings, key=lambda finding: finding.deviation.figure)
    failing = [finding for finding in findings if finding.deviation.figure > 1]
    first = min(failing, key=lambda finding: finding.case.work, default=worst)
    return Check(
        name=name,
        passed=not failing,
        figure=worst.deviation.figure,
        where=str(first.case),
        detail=f"{worst.deviation.words} at {worst.case}",
    )
