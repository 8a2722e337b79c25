"""A run's figures: learning, steps to solve, gradients, speed, memory, accuracy against its costs; one overview."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase

from harness.report.bars import draw_memory, draw_speed, make_room
from harness.report.curves import curve_handles, draw_curves
from harness.report.gradient_curves import draw_gradients
from harness.report.growing import draw_growth
from harness.report.sections import Section, sections
from harness.report.shapes import shapes, timed_shape, trials_at
from harness.report.solving import draw_solving
from harness.report.style import Looks, figure, legend, save
from harness.report.tradeoff import Point, against_parameters, against_time, draw_tradeoff, label_points
from harness.store import RunView

ACROSS = 3
"""Panels beside each other."""
MOST = 6
"""Of more settings than this, steps and costs are drawn of the first ones; the tables have all."""
OVERVIEW = (10.667, 6.0)
"""Inches: 1600 × 900 pixels."""

Bars = Callable[[Axes, RunView, str, Looks], None]


def draw_figures(run: RunView) -> dict[str, Figure]:
    """By name what the run has trials for, overview first."""
    looks, tasks = Looks.of(run), sections(run)
    speeds, memories = shapes(run, "speed"), shapes(run, "memory")
    drawn = {}
    if tasks and (speeds or memories):
        drawn["overview"] = _overview(run, tasks, looks)
    if tasks:
        drawn["learning_curves"] = _curves(run, tasks, looks)
    if solving := [one for one in tasks[:MOST] if any(group.has_criterion for group in one.chosen)]:
        drawn["steps_to_solve"] = _panels(
            solving, lambda axes, one: draw_solving(axes, one, looks), across=2, width=5.2
        )
    if heard := sections(run, "gradients"):
        drawn["gradients"] = draw_gradients(run, heard, looks)
    if speeds:
        drawn["speed"] = _bars(run, speeds, looks, draw_speed)
    if memories:
        drawn["memory"] = _bars(run, memories, looks, draw_memory)
        drawn["memory_growth"] = _panels(memories, lambda axes, shape: draw_growth(axes, run, shape, looks), across=1)
    if tasks and speeds:
        found = [(section, timed_shape(run, section.match)) for section in tasks[:MOST]]
        points = [against_time(run, section, shape) for section, shape in found]
        costs = [f"ms a train step, fastest backend\n{shape}" for _, shape in found]
        drawn["accuracy_against_speed"] = _tradeoffs(tasks[:MOST], points, costs, looks)
    if tasks:
        points = [against_parameters(section) for section in tasks[:MOST]]
        drawn["accuracy_against_parameters"] = _tradeoffs(tasks[:MOST], points, ["parameters"] * len(points), looks)
    return drawn


def write_figures(drawn: Mapping[str, Figure], folder: Path, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Writes every figure in every format, `png`, `svg` or `pdf`; returns the files, figure by figure."""
    return [save(made, folder / f"{name}.{ending}") for name, made in drawn.items() for ending in formats]


def _overview(run: RunView, tasks: Sequence[Section], looks: Looks) -> Figure:
    """All tasks above, the first shape's speed and memory below."""
    width, height = OVERVIEW
    rows = math.ceil(len(tasks) / ACROSS)
    made = figure(width, height + 2.7 * (rows - 1))
    halves: Any = made.subfigures(2, 1, height_ratios=[2.75 * rows, 2.6])
    above, below = halves
    _curve_panels(above, run, tasks, looks)
    bars: list[tuple[Bars, str]] = [
        (draw, found[0])
        for draw, found in ((draw_speed, shapes(run, "speed")), (draw_memory, shapes(run, "memory")))
        if found
    ]
    panels = below.subplots(1, len(bars), squeeze=False, width_ratios=[1.45, 1][: len(bars)])
    for axes, (draw, shape) in zip(panels.flat, bars, strict=True):
        draw(axes, run, shape, looks)
    made.draw_without_rendering()
    for axes in panels.flat:
        make_room(axes)
    return made


def _curves(run: RunView, tasks: Sequence[Section], looks: Looks) -> Figure:
    across, rows = _grid(len(tasks))
    made = figure(max(3.6 * across, 7.0), 0.6 + 3.2 * rows)
    _curve_panels(made, run, tasks, looks)
    return made


def _curve_panels(made: FigureBase, run: RunView, tasks: Sequence[Section], looks: Looks) -> None:
    across, rows = _grid(len(tasks))
    panels = made.subplots(rows, across, squeeze=False)
    for axes, section in zip(panels.flat, tasks, strict=False):
        draw_curves(axes, run, section, looks)
    for axes in panels.flat[len(tasks) :]:
        axes.set_visible(False)
    handles = curve_handles((group for section in tasks for group in section.chosen), looks)
    legend(made, handles, columns=len(handles))


def _bars(run: RunView, found: Sequence[str], looks: Looks, draw: Bars) -> Figure:
    most = max(sum(len(trials_at(run, measure, shape)) for measure in ("speed", "memory")) for shape in found)
    made = figure(7.5, len(found) * (1.1 + 0.13 * most))
    panels = made.subplots(len(found), 1, squeeze=False)
    for axes, shape in zip(panels.flat, found, strict=True):
        draw(axes, run, shape, looks)
    made.draw_without_rendering()
    for axes in panels.flat:
        make_room(axes)
    return made


def _tradeoffs(tasks: Sequence[Section], points: Sequence[list[Point]], costs: Sequence[str], looks: Looks) -> Figure:
    made = _panels([*zip(tasks, points, costs, strict=True)], lambda axes, one: draw_tradeoff(axes, one, looks))
    made.draw_without_rendering()
    for axes, found in zip(made.axes, points, strict=False):
        label_points(axes, found, looks)
    return made


def _panels(what: Sequence[Any], draw: Callable[[Axes, Any], None], across: int = ACROSS, width: float = 4.0) -> Figure:
    """A panel each, in rows; inches a panel."""
    across, rows = _grid(len(what), across)
    made = figure(max(width * across, 6.5), 3.6 * rows)
    panels = made.subplots(rows, across, squeeze=False)
    for axes, one in zip(panels.flat, what, strict=False):
        draw(axes, one)
    for axes in panels.flat[len(what) :]:
        axes.set_visible(False)
    return made


def _grid(panels: int, across: int = ACROSS) -> tuple[int, int]:
    return min(panels, across), math.ceil(panels / across)
