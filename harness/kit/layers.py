"""All checks of a cell on a backend: the gate's, on more shapes and in float64; what it does not ask; likely causes."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.backend import Backend, Dtype, LayerPlan
from harness.blame import place
from harness.cell import Cell, Example
from harness.conformance import examine
from harness.conformance.behaviour import COMPARED, Probe, build_probe
from harness.conformance.cases import CASES, PROBE, Case, draw, start_state
from harness.conformance.gate import build_layer
from harness.conformance.reference import FORM, Objection
from harness.conformance.report import Check as Found
from harness.conformance.report import GateReport
from harness.errors import in_a_line
from harness.kit import hints
from harness.kit.behaviour import CLAIMS, furthest_apart
from harness.kit.checks import LAYER
from harness.kit.result import Outcome, Result
from harness.kit.trying import GROUPS, Trial, attempt, smallest, worst_element
from harness.ops import NumpyOps
from harness.unroll import unroll

MORE = (
    Case(T=7, B=5, I=3, H=13),
    Case(T=11, B=2, I=5, H=7, alone="y"),
    Case(T=3, B=1, I=1, H=2),
    Case(T=2, B=13, I=7, H=31, state=False),
    Case(T=40, B=3, I=2, H=5, shift=5.0),
    Case(T=200, B=2, I=2, H=4, shift=3.0),
)
"""Primes, gates all but open or shut, and a long decay."""
NO_EXAMPLES = "the cell has none: that its equation is the one that was meant, nothing here can see"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Whom the checks are about, the other cells it may be taken for, and the shapes it is tried on."""

    cell: Cell
    backend: Backend
    others: tuple[Cell, ...] = ()
    cases: tuple[Case, ...] = (*CASES, *MORE)

    @property
    def name(self) -> str:
        """`lstm@numpy`."""
        return f"{self.cell.about.name}@{self.backend.about.name}"


def check_layer(pair: Pair) -> Iterator[Result]:
    """Every check of `LAYER`, in that order, one result each; those that one before it makes pointless are skipped."""
    found = dict(_found(pair))
    for check in LAYER:
        told = found.get(check.name, (Outcome.SKIPPED, "", "", ""))
        outcome, where, detail, hint = told
        yield Result(
            subject=pair.name,
            check=check.name,
            version=check.version,
            severity=check.severity,
            outcome=outcome,
            where=where,
            detail=detail,
            hint=hint,
        )


Told = tuple[Outcome, str, str, str]


def _found(pair: Pair) -> Iterator[tuple[str, Told]]:
    """By check, how it ended, where, the detail and a hint."""
    try:
        report = examine(pair.cell, pair.backend, "cpu", "float32", pair.cases)
        exact = examine(pair.cell, pair.backend, "cpu", "float64", tuple(case for case in pair.cases if case in CASES))
        yield "runs at all", (Outcome.PASSED, "", "", "")
        yield from _of_report(pair, report)
        failed = {check.name for check in report.failed}
        if "vocabulary" in failed:
            return
        yield "float64", _float64(pair, exact, report)
        if FORM not in failed:
            yield from _claims(pair)
    except Exception as error:  # noqa: BLE001 — whatever an author's code raises is a finding
        line, found = in_a_line(error), place(error)
        yield "runs at all", (Outcome.FAILED, "", f"{line}, in {found}" if found else line, "")


def _of_report(pair: Pair, report: GateReport) -> Iterator[tuple[str, Told]]:
    """The gate's checks under the kit's names."""
    grouped: dict[str, list[Found]] = {}
    for check in report.checks:
        grouped.setdefault(_name(check.name), []).append(check)
    reached = any(name in grouped for name in ("outputs", "gradients"))
    if reached:
        grouped.setdefault("forms", [])
    for name, checks in grouped.items():
        failed = [check for check in checks if not check.passed]
        if not failed:
            yield name, (Outcome.PASSED, "", "", "")
        elif name in GROUPS.values() and pair.cell.has_equation:
            yield name, _disagreement(pair, name, failed)
        else:
            worst = failed[0]
            element, hint = _example_cause(pair) if name == "examples" else (_element(pair, name), "")
            detail = worst.detail if worst.name == name else f"{worst.name}: {worst.detail}"
            yield name, (Outcome.FAILED, worst.where, f"{element}; {detail}" if element else detail, hint)
    if pair.cell.has_equation and not report.examples and "examples" not in grouped:
        yield "examples", (Outcome.SKIPPED, "", NO_EXAMPLES, "")
    elif not pair.cell.has_equation:
        yield "examples", (Outcome.SKIPPED, "", "a cell without an equation has nothing to compare with", "")


def _name(name: str) -> str:
    """The kit's name of a gate's check."""
    if name.startswith("example"):
        return "examples"
    if name in ("y", "y without gradients") or name.startswith("final "):
        return "outputs"
    if name == "gradient of x" or name.startswith("gradient of initial "):
        return "gradients"
    if name.startswith("gradient of "):
        return "parameter gradients"
    if name in (FORM, "the parameters are the cell's"):
        return "forms"
    return "derivative" if name in ("the reference is finite", "the step means one thing") else name


def _element(pair: Pair, claim: str) -> str:
    """The worst element that contradicts a claim of the gate's about a layer's behaviour; of no other check."""
    if claim not in COMPARED:
        return ""
    try:
        return furthest_apart(_probe(pair), claim)
    except Objection:
        return ""


def _disagreement(pair: Pair, name: str, failed: list[Found]) -> Told:
    """The smallest shape that fails, its worst element, and what may be the cause."""
    if found := _smallest(pair, name, "float32"):
        return Outcome.FAILED, *found, _cause(pair, name)
    return Outcome.FAILED, failed[0].where, f"{failed[0].name}: {failed[0].detail}", ""


def _smallest(pair: Pair, name: str, dtype: Dtype) -> tuple[str, str] | None:
    """The smallest shape that fails and its worst element; None where no shape fails when tried again."""
    for case in pair.cases:
        try:
            trial = attempt(pair.cell, pair.backend, case, dtype)
        except Objection:
            continue
        if trial is not None and trial.worst(name) is not None:
            least = smallest(pair.cell, pair.backend, trial, name, dtype)
            place = least.worst(name)
            return (str(least.case), least.element(place)) if place is not None else None
    return None


def _cause(pair: Pair, name: str) -> str:
    """A suspicion that fits, on a shape on which suspicions can be told apart."""
    for dtype in ("float64", "float32"):
        try:
            trial = attempt(pair.cell, pair.backend, PROBE, dtype)
        except Exception:  # noqa: BLE001 — a layer may lack a number format
            continue
        if trial is not None:
            return _forward_cause(pair, trial) if name == "outputs" else _gradient_cause(pair, trial, name)
    return ""


def _forward_cause(pair: Pair, trial: Trial) -> str:
    run = _run_of(pair.cell, trial)
    return hints.forward_cause(pair.cell, run, pair.others)


def _gradient_cause(pair: Pair, trial: Trial, name: str) -> str:
    place = trial.worst(name)
    if place is None:
        return ""
    truncated = hints.truncated_gradients(pair.cell, _run_of(pair.cell, trial), trial.inputs.passes[0])
    quantity = trial.wanted[place]
    return hints.gradient_cause(quantity.name, trial.found[place].value, quantity.value, truncated.get(quantity.name))


def _run_of(cell: Cell, trial: Trial) -> hints.Run:
    y, *final = (quantity.value for quantity in trial.found if quantity.kind in ("y", "final"))
    start = trial.inputs.state or start_state(cell, trial.case)
    return hints.Run(x=trial.inputs.x, start=start, weights=trial.inputs.weights, y=y, final=tuple(final))


def _example_cause(pair: Pair) -> tuple[str, str]:
    """Of the first example that the step misses its worst element, and what, done to the step, gives it."""
    for example in pair.cell.examples():
        if element := _missed(pair.cell, example):
            start, final = tuple(example.state), tuple(example.final)
            run = hints.Run(x=example.x, start=start, weights=example.weights, y=example.y, final=final)
            return element, hints.forward_cause(pair.cell, run, pair.others)
    return "", ""


def _missed(cell: Cell, example: Example) -> str:
    """The worst element of y or of a final state; empty where the example holds, or has other shapes."""
    with np.errstate(all="ignore"):
        y, final = unroll(cell, NumpyOps(), example.weights, example.x, example.state)
        names = ["y", *(f"final {name}" for name in cell.states(example.x.shape[-1], example.y.shape[-1]))]
        for name, found, wanted in zip(names, (np.stack(y), *final), (example.y, *example.final), strict=False):
            if found.shape == wanted.shape and not np.abs(found - wanted).max() <= example.tolerance:
                return worst_element(name, found, wanted)
    return ""


def _float64(pair: Pair, exact: GateReport, report: GateReport) -> Told:
    """What fails in float64 and not in float32."""
    known = {check.name for check in report.failed}
    new = [check for check in exact.failed if check.name not in known]
    if not new:
        return Outcome.PASSED, "", "", ""
    group = _name(new[0].name)
    found = _smallest(pair, group, "float64") if group in GROUPS.values() and pair.cell.has_equation else None
    where, detail = found or (new[0].where, f"{new[0].name}: {new[0].detail}")
    return Outcome.FAILED, where, detail, "numbers are kept in float32 on the way"


def _claims(pair: Pair) -> Iterator[tuple[str, Told]]:
    probe = _probe(pair)
    for name, claim in CLAIMS.items():
        try:
            contradictions = [*claim(probe, pair.backend)]
        except Exception as error:  # noqa: BLE001 — the next claim is asked all the same
            contradictions = [in_a_line(error)]
        told = ", ".join(contradictions[:3])
        yield name, (Outcome.FAILED, str(PROBE), told, "") if told else (Outcome.PASSED, "", "", "")


def _probe(pair: Pair) -> Probe:
    plan = LayerPlan(inputs=PROBE.I, hidden=PROBE.H)
    inputs = draw(pair.cell, PROBE, plan.dtype)
    return build_probe(pair.cell, build_layer(pair.cell, pair.backend, plan, inputs), plan, inputs)
