"""Conformance: does the backend compute the cell's equation, gradients included? The gate as a trial."""

import torch

from harness.conformance import GateReport, examine
from harness.measures import Context
from harness.record import Answer, Measured, Status
from harness.trial import Trial


def measure(trial: Trial, context: Context) -> Answer:
    """Examines the trial's pair: `ok` or `rejected`, with the worst failure as the reason.

    Values: `worst`, the largest error in units of what is allowed; `worst_parameter_gradient`, ‖Δ‖/‖reference‖;
    `checks`, `checks_failed`, `examples`, `shapes`, numbers of them. No clock makes any of them.
    """
    torch.set_num_threads(trial.threads)
    cell = context.catalog.cell(trial.cell.spelling)
    report = examine(cell, context.catalog.backend(trial.backend), trial.device, trial.dtype)
    return Answer(values=_values(report), status=Status.OK if report.passed else Status.REJECTED, reason=report.reason)


def _values(report: GateReport) -> dict[str, Measured]:
    return {
        "worst": Measured(_short(report.worst)),
        "worst_parameter_gradient": Measured(_short(report.worst_parameter_gradient)),
        "checks": Measured(len(report.checks)),
        "checks_failed": Measured(len(report.failed)),
        "examples": Measured(report.examples),
        "equation": Measured(int(report.equation)),
        "shapes": Measured(report.shapes),
    }


def _short(figure: float) -> float:
    """Two digits: an error in units of its tolerance has no more."""
    return float(f"{figure:.1e}")
