"""Rows of tables: what trial and record give, and the frames made of them."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.description import made_on
from harness.matching import Match
from harness.record import Record, Status
from harness.report.groups import Numbers
from harness.report.shapes import shape_of
from harness.store import RunView
from harness.trial import Measure, Trial

NOT_RUN = "not run"
NAN = math.nan
RESTS_ON = ("cpu", "governor", "gpu", "commit", "difference", "torch", "numpy", "blas")
"""Facts of a run that a row of speed or memory bears."""
Row = dict[str, Any]


def placed(run: RunView, measure: Measure) -> Iterator[tuple[Row, Trial, Record | None]]:
    """Of a layer's trials, every row's beginning, the trial and its record: a row for each shape it stands under."""
    for trial, record in planned(run, measure):
        for match in run.places(trial):
            yield place(trial, record, match), trial, record


def place(trial: Trial, record: Record | None, match: Match | None = None) -> Row:
    """What every row of a layer's trial begins with; `shape` is the one it is compared at."""
    return {
        "id": trial.id,
        "shape": shape_of(trial, match),
        "cell": str(trial.cell),
        "backend": trial.backend,
        "device": trial.device,
        "dtype": trial.dtype,
        "threads": trial.threads,
        "status": status(record),
    } | sizes(trial, record, match)


def sizes(trial: Trial, record: Record | None, match: Match | None) -> Row:
    """How large the cell is there: H, parameters, bytes of one sequence's states, FLOPs of a step; how it was matched.

    `residual`: by how much of the reference's size the cell's is larger.
    """
    names = ("parameters", "state_bytes", "flops_per_step")
    return {
        "hidden": trial.hidden,
        **{name: record.number(name) if record else NAN for name in names},
        "matched": "hidden" if match is None else str(match),
        "residual": 0.0 if match is None else match.residual,
    }


def provenance(run: RunView, record: Record | None) -> Row:
    """What times and memory rest on: the machine, its clock's governor, its GPU and driver, the commit, versions, BLAS.

    From the run that holds the record; empty where that run was another machine's.
    """
    made = run.machines.get(record.id, "") if record else ""
    origin = run.origins.get(record.id, {}) if record else {}
    facts = origin if made_on(origin) == made else {}
    return {"fingerprint": made} | {name: facts.get(name, "") for name in RESTS_ON}


def planned(run: RunView, measure: Measure) -> Iterator[tuple[Trial, Record | None]]:
    """The planned trials of a measure, each with its record."""
    for trial in run.planned:
        if trial.measure == measure:
            yield trial, run.records.get(trial.id)


def status(record: Record | None) -> str:
    """How it ended, or that it was not run."""
    return str(record.status) if record else NOT_RUN


def number(record: Record | None, name: str) -> float:
    """A value of a record that is ok; what others say of themselves is no figure to compare, the gate's excepted."""
    if record is None or (record.status != Status.OK and record.trial.measure != "conformance"):
        return NAN
    return record.number(name)


def value(record: Record | None, name: str) -> Any:
    """A value of a record as it is; None where there is none."""
    return record.values[name].value if record and name in record.values else None


def first(found: Numbers) -> float:
    """The first number, NaN where there is none."""
    return float(found[0]) if len(found) else NAN


def joined(frames: list[pd.DataFrame], columns: str) -> pd.DataFrame:
    """The frames that have rows, one under the other."""
    found = [part for part in frames if len(part)]
    return pd.concat(found, ignore_index=True) if found else frame([], columns)


def frame(rows: list[Row], columns: str) -> pd.DataFrame:
    """A frame that has its columns even without rows."""
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns.split())
