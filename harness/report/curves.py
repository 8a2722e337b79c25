"""Learning curves: the median over seeds, with a band from the least to the greatest."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from harness.record import Record
from harness.report.groups import Group, Numbers
from harness.report.sections import Section
from harness.report.style import (
    QUIET,
    Looks,
    draw_level,
    dress,
    fit_scores,
    plain_numbers,
    say_nothing,
    score_label,
    told_of,
)
from harness.report.wording import count, number, setting
from harness.store import RunView


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """A group's validation score by step: `median`, `low` and `high` over seeds, all [E]."""

    step: Numbers
    median: Numbers
    low: Numbers
    high: Numbers


def curve(run: RunView, group: Group) -> Curve | None:
    """The group's curve, or None where no record has one.

    A training that ended before the others, solved, keeps its last score; one that diverged has the worst there is.
    """
    worst = -math.inf if group.higher_is_better else math.inf
    read = ((record, _of_record(run, record, group.primary)) for record in group.records)
    found = [(record, *one) for record, one in read if one is not None]
    if not found:
        return None
    steps = np.unique(np.concatenate([step for _, step, _ in found]))
    rows = []
    for record, step, score in found:
        place = np.searchsorted(step, steps, side="right") - 1
        row = np.where(place < 0, np.nan, score[np.maximum(place, 0)])
        row[np.isnan(row) & (place >= 0)] = worst
        row[(steps > step[-1]) & (record.status == "diverged")] = worst
        rows.append(row)
    table = np.array(rows)
    known = ~np.isnan(table).any(axis=0)
    table, steps = table[:, known], steps[known].astype(float)
    if not len(steps):
        return None
    return Curve(step=steps, median=np.median(table, axis=0), low=table.min(axis=0), high=table.max(axis=0))


def draw_curves(axes: Axes, run: RunView, section: Section, looks: Looks) -> None:
    """One panel: every chosen group of a task, the baseline dashed, a dot where the last seed solved."""
    groups = [group for group in section.chosen if group.n]
    found = [(group, curve(run, group)) for group in groups]
    n, planned = sum(group.n for group in section.chosen), sum(group.planned for group in section.chosen)
    told = f"{n} of {planned} trainings{_seeds(section.chosen)}; validation score"
    dress(axes, section.name, told_of(section, told))
    axes.set_xlabel("optimiser steps")
    drawn = [(group, one) for group, one in found if one is not None]
    if not drawn:
        say_nothing(axes, "no curves")
        return
    first = groups[0]
    axes.set_ylabel(score_label(first))
    _scale(axes, drawn, first)
    for group, one in drawn:
        _draw(axes, group, one, looks)
    _levels(axes, first)
    axes.set_xlim(0, max(one.step[-1] for _, one in drawn) * 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    plain_numbers(axes.xaxis)


def curve_handles(groups: Iterable[Group], looks: Looks) -> list[Any]:
    """The legend: a line a cell, and what band, dashes and dot mean."""
    cells: dict[str, Any] = {}
    for group in groups:
        colour = looks.colour(group.trial.cell)
        cells.setdefault(group.cell, Line2D([], [], color=colour, linestyle=looks.line(group), lw=2, label=group.cell))
    return [
        *cells.values(),
        Patch(facecolor="#999999", alpha=0.3, label="least to greatest seed"),
        Line2D([], [], color=QUIET, linestyle=(0, (2, 2)), lw=1.2, label="baseline"),
        Line2D([], [], color=QUIET, marker="o", lw=0, markersize=5, label="all seeds solved"),
    ]


def _of_record(run: RunView, record: Record, metric: str) -> tuple[Numbers, Numbers] | None:
    arrays = run.arrays(record.id)
    step, score = arrays.get("step"), arrays.get(f"validation.{metric}")
    if step is None or score is None or not len(step) or len(step) != len(score):
        return None
    return step.astype(float), score.astype(float)


def _draw(axes: Axes, group: Group, one: Curve, looks: Looks) -> None:
    colour = looks.colour(group.trial.cell)
    low, median, high = (np.where(np.isfinite(part), part, np.nan) for part in (one.low, one.median, one.high))
    axes.fill_between(one.step, low, high, color=colour, alpha=0.16, linewidth=0)
    axes.plot(one.step, median, color=colour, linestyle=looks.line(group), linewidth=1.8)
    if group.has_criterion and group.solved == group.n and math.isfinite(median[-1]):
        axes.plot(one.step[-1:], median[-1:], "o", color=colour, markersize=5, clip_on=False, zorder=4)


def _levels(axes: Axes, group: Group) -> None:
    """The baseline dashed and the criterion dotted, named at the line."""
    baseline = group.baseline(group.primary)
    draw_level(axes, baseline, f"baseline {number(baseline)}")
    if str(_value(group, "criterion_metric")) == group.primary:
        criterion = group.records[0].number("criterion")
        draw_level(axes, criterion, f"solved {setting(criterion)}", (0, (1, 1.5)))


def _value(group: Group, name: str) -> Any:
    measured = group.records[0].values.get(name)
    return measured.value if measured else None


def _scale(axes: Axes, drawn: Sequence[tuple[Group, Curve]], first: Group) -> None:
    parts = [part for _, one in drawn for part in (one.low, one.high)]
    found = np.concatenate([*parts, [first.baseline(first.primary)]])
    fit_scores(axes, found, higher_is_better=first.higher_is_better)


def _seeds(groups: Sequence[Group]) -> str:
    counts = {group.planned for group in groups}
    return f", {count(counts.pop())} seeds a cell" if len(counts) == 1 else ""
