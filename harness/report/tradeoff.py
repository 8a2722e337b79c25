"""Accuracy against what it costs: a cell's test score over the time of its fastest train step, or its parameters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator
from matplotlib.transforms import Bbox

from harness import statistics
from harness.record import Record, Status
from harness.report.groups import Group
from harness.report.sections import Section
from harness.report.shapes import trials_at
from harness.report.style import (
    INK,
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
from harness.report.wording import listing
from harness.store import RunView

SPOTS = tuple(
    (across * reach, up * reach) for reach in (9, 20, 34) for across, up in ((1, 0), (-1, 0), (0, 1), (0, -1))
)
"""Where a label may stand beside its point, in points; the first spot that covers nothing is taken."""


MARKER_POINTS = 5
LOGARITHMIC_FROM = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A cell on a task: what it costs (`least` to `most`: its interval), and the test score's median and range over
    the seeds that did not diverge."""

    group: Group
    cost: float
    least: float
    most: float
    score: float
    low: float
    high: float
    label: str


def against_time(run: RunView, section: Section, shape: str) -> list[Point]:
    """Every chosen group of a task whose cell was timed at the shape, by the milliseconds of its fastest train step."""
    fastest = _fastest(run, shape)
    timed = [(group, fastest[group.cell]) for group in section.chosen if group.cell in fastest]
    found = (
        _point(group, _milliseconds(run, record), f"{group.cell} · {record.trial.backend}") for group, record in timed
    )
    return [point for point in found if point is not None]


def against_parameters(section: Section) -> list[Point]:
    """Every chosen group of a task, by the parameters in its recurrent layers."""
    found = (
        _point(group, (float(group.numbers("cell_parameters")[0]),) * 3, group.cell)
        for group in section.chosen
        if group.n
    )
    return [point for point in found if point is not None]


def draw_tradeoff(axes: Axes, what: tuple[Section, Sequence[Point], str], looks: Looks) -> None:
    """One panel of a section, its points, and what the x axis says; dotted: the cells that no other beats in both."""
    section, points, cost = what
    absent = [group.cell for group in section.chosen if group.cell not in {point.group.cell for point in points}]
    told = (
        f"no {cost.partition(',')[0]} or no score: {listing(dict.fromkeys(absent))}"
        if absent
        else "test score: median and range over seeds"
    )
    dress(axes, section.name, told_of(section, told), grid="both")
    axes.set_xlabel(cost)
    if not points:
        say_nothing(axes, "nothing to compare")
        return
    first = points[0].group
    baseline = first.baseline(first.primary)
    scores = np.array([baseline, *(value for point in points for value in (point.low, point.high))])
    fit_scores(axes, scores, higher_is_better=first.higher_is_better)
    axes.set_ylabel(score_label(first))
    _fit_costs(axes, [point.cost for point in points])
    _draw_front(axes, front(points))
    for point in points:
        colour = looks.colour(point.group.trial.cell)
        axes.plot([point.cost] * 2, [point.low, point.high], color=colour, linewidth=1.6, alpha=0.6)
        axes.plot([point.least, point.most], [point.score] * 2, color=colour, linewidth=1.6, alpha=0.6)
        axes.plot(point.cost, point.score, "o", color=colour, markersize=8, clip_on=False)
    draw_level(axes, baseline, "baseline")


def front(points: Sequence[Point]) -> list[Point]:
    """The Pareto front by medians, the cheapest first: points than which none is both as cheap and better."""
    found: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, _loss(point))):
        if not found or _loss(point) < _loss(found[-1]):
            found.append(point)
    return found


def _loss(point: Point) -> float:
    return -point.score if point.group.higher_is_better else point.score


def _draw_front(axes: Axes, found: Sequence[Point]) -> None:
    """Steps, for between two cells there is no third one."""
    if len(found) > 1:
        costs, scores = [point.cost for point in found], [point.score for point in found]
        axes.step(costs, scores, where="post", color=QUIET, linestyle=(0, (1, 2)), linewidth=1.2, zorder=1.4)


def label_points(axes: Axes, points: Sequence[Point], looks: Looks) -> None:
    """Writes each point's name where it covers no point and no other name; for a figure whose layout is settled."""
    dots = [_around(point, axes) for point in points]
    ranges = [_range(point, axes) for point in points]
    taken: list[Bbox] = []
    for point, dot in sorted(zip(points, dots, strict=True), key=lambda both: -both[0].score):
        others = [*taken, *ranges, *(other for other in dots if other is not dot)]
        boxes = [(_write(axes, point, spot), spot) for spot in SPOTS]
        _, best = min(boxes, key=lambda both: _covered(both[0], others, axes.bbox))
        taken.append(_write(axes, point, best, looks.colour(point.group.trial.cell)))


def _write(axes: Axes, point: Point, spot: tuple[int, int], colour: str | None = None) -> Bbox:
    """The box that the name takes there, pixels; without a colour it is only measured."""
    across, up = spot
    note = axes.annotate(
        point.label,
        xy=(point.cost, point.score),
        xytext=spot,
        textcoords="offset points",
        ha="left" if across > 0 else "right" if across < 0 else "center",
        va="bottom" if up > 0 else "top" if up < 0 else "center",
        fontsize=8,
        color=colour or INK,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )
    note.set_in_layout(False)
    box = note.get_window_extent()
    if colour is None:
        note.remove()
    return Bbox(box.get_points())


def _covered(box: Bbox, others: Sequence[Bbox], panel: Bbox) -> float:
    """How much of the box lies on others or outside the panel, in square pixels."""
    inside = Bbox.intersection(box, panel)
    outside = box.width * box.height - (inside.width * inside.height if inside else 0.0)
    overlaps = (Bbox.intersection(box, other) for other in others)
    return 4 * outside + sum(overlap.width * overlap.height for overlap in overlaps if overlap)


def _around(point: Point, axes: Axes) -> Bbox:
    """The box of a point's marker, pixels."""
    x, y = axes.transData.transform((point.cost, point.score))
    reach = MARKER_POINTS * axes.figure.dpi / 72
    return Bbox.from_extents(x - reach, y - reach, x + reach, y + reach)


def _range(point: Point, axes: Axes) -> Bbox:
    """The box of a point's range, pixels."""
    (x, low), (_, high) = axes.transData.transform([(point.cost, point.low), (point.cost, point.high)])
    return Bbox.from_extents(x - 2, low, x + 2, high)


def _fit_costs(axes: Axes, costs: Sequence[float]) -> None:
    """Room for names at both sides; a logarithmic axis where the costs differ by much."""
    least, most = min(costs), max(costs)
    if most > LOGARITHMIC_FROM * least:
        axes.set_xscale("log")
        axes.set_xlim(least / 3, most * 3)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_xlim(0, 1.35 * most)
    plain_numbers(axes.xaxis)


def _fastest(run: RunView, shape: str) -> dict[str, Record]:
    """By cell, the record with the least time of a train step."""
    found: dict[str, Record] = {}
    for trial in trials_at(run, "speed", shape):
        record = run.records.get(trial.id)
        if record is None or record.status != Status.OK:
            continue
        seconds = record.number("train_seconds")
        if math.isfinite(seconds) and seconds < _seconds(found.get(str(trial.cell))):
            found[str(trial.cell)] = record
    return found


def _seconds(record: Record | None) -> float:
    return record.number("train_seconds") if record else math.inf


def _milliseconds(run: RunView, record: Record) -> tuple[float, float, float]:
    """A train step's time and the interval of it over pairs of processes; the time alone where that is not known."""
    seconds, samples = record.number("train_seconds"), run.arrays(record.id).get("train")
    typical = statistics.UNKNOWN if samples is None else statistics.typical(samples[:, 0])
    low, high = (end if math.isfinite(end) else seconds for end in (typical.low, typical.high))
    return 1e3 * seconds, 1e3 * low, 1e3 * high


def _point(group: Group, costs: tuple[float, float, float], label: str) -> Point | None:
    """None where half of the trainings diverged or there is none, for then no score stands for them; or no cost."""
    scores, (cost, least, most) = group.scores(group.primary), costs
    if not math.isfinite(cost) or not len(scores) or not math.isfinite(median := float(np.median(scores))):
        return None
    finite = scores[np.isfinite(scores)]
    return Point(
        group=group,
        cost=cost,
        least=least,
        most=most,
        score=median,
        low=float(finite.min()),
        high=float(finite.max()),
        label=f"{label} ({group.diverged} of {group.n} diverged)" if group.diverged else label,
    )
