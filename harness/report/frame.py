"""All records of a results folder as one table, for whoever wants to compute with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from harness.description import facts_of, made_on
from harness.errors import HarnessError
from harness.record import Record
from harness.store import read_all

QUESTION = ["measure", "cell", "backend", "versus", "device", "dtype", "threads"]
SETTING = ["task", "seed", "learning_rate", "hidden", "shape"]
COLUMNS = ["id", "run", *QUESTION, *SETTING, "status", "reason", "seconds", "basis", "fingerprint"]


def load_frame(results: Path) -> pd.DataFrame:
    """Every record of every run under a results folder, one row each, and every value as a column `value.<name>`.

    A question asked again has several rows; rows of different `basis` rest on different sources or versions and do
    not belong into one comparison. `fingerprint` is the machine's that made the row: times and memory of different
    ones do not belong together either. Raises HarnessError where there is no such folder.
    """
    frame = pd.DataFrame(rows(results))
    values = sorted(name for name in frame.columns if name not in COLUMNS)
    return frame.reindex(columns=[*COLUMNS, *values])


def rows(results: Path) -> Iterator[dict[str, Any]]:
    """The rows of `load_frame` as plain data, each with the values its record has."""
    if not results.is_dir():
        raise HarnessError(f"wanted a results folder, found none at {results}", hint="`harness run` makes one")
    machines: dict[str, str] = {}
    for run, record in read_all(results):
        if run not in machines:
            machines[run] = made_on(facts_of(results / "runs" / run))
        yield _row(run, record) | {"fingerprint": record.machine or machines[run]}


def _row(run: str, record: Record) -> dict[str, Any]:
    trial = record.trial
    return {
        "id": record.id,
        "run": run,
        "measure": trial.measure,
        "cell": str(trial.cell),
        "backend": trial.backend,
        "versus": trial.versus,
        "device": trial.device,
        "dtype": trial.dtype,
        "threads": trial.threads,
        "task": str(trial.task) if trial.task else None,
        "seed": trial.seed,
        "learning_rate": trial.training.learning_rate if trial.training else None,
        "hidden": trial.hidden,
        "shape": str(trial.shape) if trial.shape else None,
        "status": str(record.status),
        "reason": record.reason,
        "seconds": record.seconds,
        "basis": record.basis,
        **{f"value.{name}": measured.value for name, measured in record.values.items()},
    }
