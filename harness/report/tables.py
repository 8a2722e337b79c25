"""A run as tables: pure functions from a run to data frames. Every row says how many of how many.

A trial that was planned and has no result stays a row, or a smaller n beside its N.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from harness import statistics
from harness.record import Record, Status
from harness.report.groups import Group, Numbers, Section, sections
from harness.statistics import Estimate
from harness.store import RunView
from harness.trial import Measure, Trial

NOT_RUN = "not run"
NAN = math.nan
Row = dict[str, Any]


def all_tables(run: RunView) -> dict[str, pd.DataFrame]:
    """Every table by name, empty ones included."""
    makers: dict[str, Callable[[RunView], pd.DataFrame]] = {
        "accuracy": accuracy,
        "scores": scores,
        "speed": speed,
        "memory": memory,
        "gate": gate,
        "failures": failures,
    }
    return {name: make(run) for name, make in makers.items()}


def accuracy(run: RunView) -> pd.DataFrame:
    """One row a task, cell and setting: n of planned, solved with Wilson's interval, steps to solve, the leading score.

    Steps to solve: the median, infinite where half did not solve; and the mean restricted to the budget (each
    training counts at most the budget) with its t interval. Scores: median, least and greatest over the seeds; a
    training that diverged counts as the worst. The ratio is the median's to the baseline's.
    """
    return _joined([accuracy_of(section) for section in sections(run)], "task cell backend n planned")


def scores(run: RunView) -> pd.DataFrame:
    """One row a task, cell, setting and metric: median, range, and mean with its t interval over the seeds."""
    return _joined([scores_of(section) for section in sections(run)], "task cell backend metric n planned")


def accuracy_of(section: Section) -> pd.DataFrame:
    """`accuracy`, of one section."""
    return pd.DataFrame([_accuracy_row(section, group) for group in section.groups])


def scores_of(section: Section) -> pd.DataFrame:
    """`scores`, of one section; empty where nothing came to an end."""
    rows = [
        _setting(section, group) | {"metric": metric} | score(group, metric) | _mean(group.scores(metric))
        for group in section.groups
        for metric in group.metrics()
    ]
    return _frame(rows, "task cell backend metric n planned")


def speed(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: seconds a train step and a forward pass, the speed-up over the named baseline.

    The interval is over pairs of processes; `detectable` is the relative difference that would have been found.
    """
    names = ("seconds", "versus_seconds", "speedup", "speedup_low", "speedup_high", "detectable")
    rows = []
    for trial, record in _planned(run, "speed"):
        row = _place(trial, record) | {"versus": trial.versus}
        row |= {f"{mode}_{name}": _number(record, f"{mode}_{name}") for mode in ("train", "forward") for name in names}
        row |= {name: _number(record, name) for name in ("pairs", "rounds", "parameters")}
        rows.append(row | {"steady": _value(record, "steady"), "blas": _value(record, "blas")})
    return _frame(rows, "shape cell backend versus status")


def memory(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: the peaks of a train step and of a forward pass, and what is held; bytes."""
    names = ("train_peak", "forward_peak", "activation", "parameter", "state")
    rows = [
        _place(trial, record)
        | {f"{name}_bytes": _number(record, f"{name}_bytes") for name in names}
        | {"parameters": _number(record, "parameters")}
        for trial, record in _planned(run, "memory")
    ]
    return _frame(rows, "shape cell backend status")


def gate(run: RunView) -> pd.DataFrame:
    """One row a pair: its worst figure in units of the tolerance, and whether it may be trained and timed."""
    rows = [
        {
            "pair": trial.pair,
            "device": trial.device,
            "dtype": trial.dtype,
            "status": _status(record),
            "passed": record is not None and record.status == Status.OK,
            "worst": _number(record, "worst"),
            "checks": _number(record, "checks"),
            "checks_failed": _number(record, "checks_failed"),
            "reason": record.reason if record else "",
        }
        for trial, record in _planned(run, "conformance")
    ]
    return _frame(rows, "pair status passed worst")


def failures(run: RunView) -> pd.DataFrame:
    """Every planned trial without a result (neither ok nor diverged), with its reason."""
    rows = []
    for trial in run.planned:
        record = run.records.get(trial.id)
        if record is not None and record.status in (Status.OK, Status.DIVERGED):
            continue
        row = {"id": trial.id, "measure": trial.measure, "pair": trial.pair, "trial": str(trial)}
        reason = record.reason if record else "no record: the run ended before it"
        rows.append(row | {"status": _status(record), "reason": reason})
    return _frame(rows, "id measure pair trial status reason")


def answered(run: RunView, measure: Measure) -> tuple[int, int]:
    """n of N: how many planned trials of a measure have a result, ok or diverged."""
    found = [_status(record) in ("ok", "diverged") for _, record in _planned(run, measure)]
    return sum(found), len(found)


def _accuracy_row(section: Section, group: Group) -> Row:
    row = _setting(section, group) | {
        "parameters": _first(group.numbers("parameters")),
        "cell_parameters": _first(group.numbers("cell_parameters")),
        "budget": group.budget,
    }
    return (
        row
        | _solving(group)
        | {"metric": group.primary, "better": "higher" if group.higher_is_better else "lower"}
        | (score(group, group.primary))
    )


def _setting(section: Section, group: Group) -> Row:
    training, model = group.training, group.trial.model
    return {
        "task": section.task,
        "cell": group.cell,
        "backend": group.trial.backend,
        "hidden": model.hidden if model else NAN,
        "learning_rate": training.learning_rate,
        "chosen": group.chosen,
        "n": group.n,
        "planned": group.planned,
        "diverged": group.diverged,
    }


def _solving(group: Group) -> Row:
    solved, nothing = group.has_criterion, Estimate(value=NAN, low=NAN, high=NAN, n=0)
    rate = statistics.proportion(group.solved, group.n) if solved else nothing
    restricted = group.restricted_mean() if solved else nothing
    return {
        "solved": group.solved if solved else NAN,
        "solve_rate_low": rate.low,
        "solve_rate_high": rate.high,
        "steps_median": float(np.median(group.steps_to_solve())) if solved else NAN,
        "steps_mean": restricted.value,
        "steps_mean_low": restricted.low,
        "steps_mean_high": restricted.high,
    }


def score(group: Group, metric: str) -> Row:
    """Median and range of one metric's test scores, beside the baseline."""
    found, baseline = group.scores(metric), group.baseline(metric)
    found = found[~np.isnan(found)]
    median, least, most = (float(np.median(found)), found.min(), found.max()) if len(found) else (NAN, NAN, NAN)
    return {
        "tested": len(found) - int(np.isinf(found).sum()),
        "test_median": median,
        "test_min": float(least),
        "test_max": float(most),
        "baseline": baseline,
        "ratio_to_baseline": median / baseline if baseline else NAN,
    }


def _mean(found: Numbers) -> Row:
    """No mean where a training diverged: it would be that of the survivors."""
    if not len(found) or not np.isfinite(found).all():
        return {"test_mean": NAN, "test_mean_low": NAN, "test_mean_high": NAN}
    mean = statistics.mean(found)
    return {"test_mean": mean.value, "test_mean_low": mean.low, "test_mean_high": mean.high}


def _place(trial: Trial, record: Record | None) -> Row:
    return {
        "shape": str(trial.shape),
        "cell": str(trial.cell),
        "backend": trial.backend,
        "device": trial.device,
        "dtype": trial.dtype,
        "threads": trial.threads,
        "status": _status(record),
    }


def _planned(run: RunView, measure: Measure) -> Iterator[tuple[Trial, Record | None]]:
    for trial in run.planned:
        if trial.measure == measure:
            yield trial, run.records.get(trial.id)


def _status(record: Record | None) -> str:
    return str(record.status) if record else NOT_RUN


def _number(record: Record | None, name: str) -> float:
    """A value of a record that is ok; what others say of themselves is no figure to compare, the gate's excepted."""
    if record is None or (record.status != Status.OK and record.trial.measure != "conformance"):
        return NAN
    return record.number(name)


def _value(record: Record | None, name: str) -> Any:
    return record.values[name].value if record and name in record.values else None


def _first(found: Numbers) -> float:
    return float(found[0]) if len(found) else NAN


def _joined(frames: list[pd.DataFrame], columns: str) -> pd.DataFrame:
    found = [frame for frame in frames if len(frame)]
    return pd.concat(found, ignore_index=True) if found else _frame([], columns)


def _frame(rows: list[Row], columns: str) -> pd.DataFrame:
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns.split())
