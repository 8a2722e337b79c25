"""Accuracy as tables: one row a cell and setting over its seeds. Every row says how many of how many."""

import numpy as np
import pandas as pd

from harness import statistics
from harness.report.groups import Group, Numbers
from harness.report.rows import NAN, Row, first, frame, joined, sizes
from harness.report.sections import Section, sections
from harness.store import RunView


def accuracy(run: RunView) -> pd.DataFrame:
    """One row a task, cell and setting: n of planned, solved with Wilson's interval, steps to solve, the leading score.

    Steps to solve: median, least and greatest, infinite where it did not solve; and the mean restricted to the budget
    (each training counts at most the budget) with its interval. Scores: median, least and greatest over the seeds; a
    training that diverged counts as the worst. The ratio is the median's to the baseline's.
    """
    return joined([accuracy_of(section) for section in sections(run)], "task cell backend n planned")


def scores(run: RunView) -> pd.DataFrame:
    """One row a task, cell, setting and metric: median, range, and mean with its t interval over the seeds."""
    return joined([scores_of(section) for section in sections(run)], "task cell backend metric n planned")


def accuracy_of(section: Section) -> pd.DataFrame:
    """`accuracy`, of one section."""
    return pd.DataFrame([_accuracy_row(group) for group in section.groups])


def scores_of(section: Section) -> pd.DataFrame:
    """`scores`, of one section; empty where nothing came to an end."""
    rows = [
        _setting(group) | {"metric": metric} | score(group, metric) | _mean(group.scores(metric))
        for group in section.groups
        for metric in group.metrics()
    ]
    return frame(rows, "task cell backend metric n planned")


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


def _accuracy_row(group: Group) -> Row:
    row = _setting(group) | {
        "cell_parameters": first(group.numbers("cell_parameters")),
        "budget": group.budget,
    }
    return (
        row
        | _solving(group)
        | {"metric": group.primary, "better": "higher" if group.higher_is_better else "lower"}
        | (score(group, group.primary))
    )


def _setting(group: Group) -> Row:
    return {
        "task": str(group.trial.task),
        "cell": group.cell,
        "backend": group.trial.backend,
        **sizes(group.trial, next(iter(group.records), None), group.match),
        "learning_rate": group.training.learning_rate,
        "chosen": group.chosen,
        "n": group.n,
        "planned": group.planned,
        "diverged": group.diverged,
        "machines": len(group.machines),
    }


def _solving(group: Group) -> Row:
    solved = group.has_criterion
    rate = statistics.proportion(group.solved, group.n) if solved else statistics.UNKNOWN
    restricted = group.restricted_mean() if solved else statistics.UNKNOWN
    steps = group.steps_to_solve() if solved else np.array([NAN])
    return {
        "solved": group.solved if solved else NAN,
        "solve_rate_low": rate.low,
        "solve_rate_high": rate.high,
        "steps_median": float(np.median(steps)),
        "steps_min": float(steps.min()),
        "steps_max": float(steps.max()),
        "steps_mean": restricted.value,
        "steps_mean_low": restricted.low,
        "steps_mean_high": restricted.high,
    }


def _mean(found: Numbers) -> Row:
    """No mean where a training diverged: it would be that of the survivors."""
    if not len(found) or not np.isfinite(found).all():
        return {"test_mean": NAN, "test_mean_low": NAN, "test_mean_high": NAN}
    mean = statistics.mean(found)
    return {"test_mean": mean.value, "test_mean_low": mean.low, "test_mean_high": mean.high}
