"""A run as tables: pure functions from a run to data frames. Every row says how many of how many.

A trial that was planned and has no result stays a row, or a smaller n beside its N.
"""

from collections.abc import Callable

import pandas as pd

from harness.record import Status
from harness.report.costs import memory
from harness.report.ranking import comparisons, standings
from harness.report.remembering import gradients
from harness.report.rows import frame, number, planned, status
from harness.report.scaling import scaling
from harness.report.speeds import speed
from harness.report.trainings import accuracy, scores
from harness.store import RunView
from harness.trial import Measure


def all_tables(run: RunView) -> dict[str, pd.DataFrame]:
    """Every table by name, empty ones included."""
    makers: dict[str, Callable[[RunView], pd.DataFrame]] = {
        "accuracy": accuracy,
        "scores": scores,
        "comparisons": comparisons,
        "standings": standings,
        "gradients": gradients,
        "speed": speed,
        "memory": memory,
        "scaling": scaling,
        "gate": gate,
        "failures": failures,
    }
    return {name: make(run) for name, make in makers.items()}


def gate(run: RunView) -> pd.DataFrame:
    """One row a pair: its worst figure in units of the tolerance, and whether it may be trained and timed."""
    rows = [
        {
            "id": trial.id,
            "pair": trial.pair,
            "device": trial.device,
            "dtype": trial.dtype,
            "status": status(record),
            "passed": record is not None and record.status == Status.OK,
            "worst": number(record, "worst"),
            "checks": number(record, "checks"),
            "checks_failed": number(record, "checks_failed"),
            "examples": number(record, "examples"),
            "reason": record.reason if record else "",
        }
        for trial, record in planned(run, "conformance")
    ]
    return frame(rows, "pair status passed worst")


def failures(run: RunView) -> pd.DataFrame:
    """Every planned trial without a result (neither ok nor diverged), with its reason."""
    rows = []
    for trial in run.planned:
        record = run.records.get(trial.id)
        if record is not None and record.status in (Status.OK, Status.DIVERGED):
            continue
        row = {"id": trial.id, "measure": trial.measure, "pair": trial.pair, "trial": str(trial)}
        reason = record.reason if record else "no record: the run ended before it"
        rows.append(row | {"status": status(record), "reason": reason})
    return frame(rows, "id measure pair trial status reason")


def answered(run: RunView, measure: Measure) -> tuple[int, int]:
    """n of N: how many planned trials of a measure have a result, ok or diverged."""
    found = [status(record) in ("ok", "diverged") for _, record in planned(run, measure)]
    return sum(found), len(found)
