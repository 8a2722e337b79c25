"""How far back a cell hears, as a picture: what is left of a gradient by lag; under it a bar to where 1 % is left."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullLocator
from matplotlib.transforms import Bbox

from harness.report.groups import Group, Numbers
from harness.report.remembering import heard, is_trained, lag_text, lags_of, longest_lag, setting_of
from harness.report.sections import Section
from harness.report.style import INK, QUIET, Looks, dress, figure, say_nothing
from harness.store import RunView

LEVEL, FLOOR = 0.01, 1e-3
MARKERS = "osD^vPX*"
MARK_EVERY = 5
"""Lags from one marker of a curve to its next."""
REACH = 30
"""Labels of curves that leave the panel at its floor stand together within so many points."""


def draw_gradients(run: RunView, found: Sequence[Section], looks: Looks) -> Figure:
    """Two rows of panels a task and model, curves above bars; before training at the left, then each training."""
    rows: dict[Any, list[Section]] = {}
    for section in found:
        rows.setdefault((section.task, section.groups[0].trial.model), []).append(section)
    across, most = max(map(len, rows.values())), max(len(section.chosen) for section in found)
    heights = [3.0, 0.5 + 0.21 * most]
    made = figure(5.2 * across + 0.6, 1.2 + len(rows) * (sum(heights) + 0.6))
    made.suptitle("How far back does a cell hear?", x=0.01, ha="left", fontsize=13, fontweight="bold", color=INK)
    panels = made.subplots(2 * len(rows), across, squeeze=False, sharex="col", height_ratios=heights * len(rows))
    labels = []
    for place, beside in enumerate(rows.values()):
        above, below = panels[2 * place], panels[2 * place + 1]
        for curves, bars, section in zip(above, below, beside, strict=False):
            labels.append(_draw(curves, bars, run, section, looks))
        for axes in (*above[len(beside) :], *below[len(beside) :]):
            axes.set_visible(False)
    made.draw_without_rendering()
    for notes in labels:
        _spread(notes)
    return made


def norms_of(run: RunView, group: Group) -> Numbers:
    """[seeds, lags + 1]: the norms of all states together, as far as every seed has them; the least is above zero."""
    found = [norm for record in heard(group) if len(norm := run.arrays(record.id).get("norm", np.empty(0)))]
    shortest = min(map(len, found), default=0)
    return np.maximum([norm[:shortest] for norm in found], np.finfo(float).tiny)


def _draw(above: Axes, below: Axes, run: RunView, section: Section, looks: Looks) -> list[Annotation]:
    """Both panels of a section; returns the curves' labels, which may still cover each other."""
    n, planned = sum(len(heard(group)) for group in section.chosen), sum(group.planned for group in section.chosen)
    title = f"after training on {section.name}" if is_trained(section) else "before training"
    told = f"{n} of {planned} trials; line: median over seeds, band: least to greatest"
    dress(above, title, [f"{section.task}, {setting_of(section)}", told])
    dress(below, "steps until 1 % is left", ["bar: median over seeds, line in it: least to greatest"], grid="x")
    groups = [group for group in section.chosen if heard(group)]
    if not groups:
        say_nothing(above, "no gradients")
        return []
    norms = [norms_of(run, group) for group in groups]
    _scale(
        above, below, max(longest_lag(group) for group in groups), max((n.max() for n in norms if n.size), default=1)
    )
    labels = []
    for place, (group, of_group) in enumerate(zip(groups, norms, strict=True)):
        colour, marker = looks.colour(group.trial.cell), MARKERS[place % len(MARKERS)]
        _bar(below, place, group, colour, marker)
        if of_group.size:
            style = {
                "color": colour,
                "linestyle": looks.line(group),
                "marker": marker,
                "markevery": (place, MARK_EVERY),
            }
            labels.append(_curve(above, of_group, style, section.label(group)))
    below.set_yticks(range(len(groups)), [section.label(group) for group in groups])
    below.set_ylim(len(groups) - 0.4, -0.6)
    return labels


def _scale(above: Axes, below: Axes, longest: float, greatest: float) -> None:
    above.set_xlim(0, longest)
    above.set_yscale("log")
    above.set_ylim(FLOOR, 1.5 * max(1.0, greatest))
    above.set_ylabel("share of the last step's gradient\nthat arrives")
    above.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    above.yaxis.set_minor_locator(NullLocator())
    above.axhspan(FLOOR, LEVEL, color=QUIET, alpha=0.09, linewidth=0, zorder=0)
    above.axhline(LEVEL, color=QUIET, linestyle=(0, (2, 2)), linewidth=1.2, zorder=1.5)
    above.annotate(
        "forgotten",
        (1, 0),
        (-4, 5),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="right",
        fontsize=7.5,
        color=QUIET,
    )
    below.tick_params(axis="y", length=0)
    below.set_xlabel("steps back")
    below.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True))


def _curve(axes: Axes, norms: Numbers, style: dict[str, Any], name: str) -> Annotation:
    """Line, band and label: at the right where the line gets there, else where it leaves the panel below."""
    lag, median = np.arange(norms.shape[1]), np.median(norms, axis=0)
    axes.fill_between(lag, norms.min(axis=0), norms.max(axis=0), color=style["color"], alpha=0.16, linewidth=0)
    axes.plot(lag, median, linewidth=1.8, markersize=4.5, markeredgecolor="white", markeredgewidth=0.5, **style)
    low = int(np.argmax(median < FLOOR))
    end, lift = (float(lag[-1]), max(float(median[-1]), FLOOR)), 0.0
    if low:
        (x0, x1), (y0, y1) = lag[low - 1 : low + 1], np.log(median[low - 1 : low + 1])
        end, lift = (float(x0 + (x1 - x0) * (math.log(FLOOR) - y0) / (y1 - y0)), FLOOR), 7.0
    return axes.annotate(
        name,
        end,
        (6, lift),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=style["color"],
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def _spread(notes: Sequence[Annotation]) -> None:
    """Moves labels up until none covers another; inside the panel they stand right of the last curve of a bunch."""
    placed: list[Annotation] = []
    for note in sorted(notes, key=lambda note: (-note.xy[0], note.xy[1])):
        while other := next((other for other in placed if _room(other).overlaps(note.get_window_extent())), None):
            across, up = note.get_position()
            rise = other.get_window_extent().y1 - note.get_window_extent().y0
            note.xy = (other.xy[0], note.xy[1])
            note.set_position((across, up + rise * 72 / note.figure.dpi + 0.5))
        placed.append(note)


def _room(note: Annotation) -> Bbox:
    """The label's box, pixels, with what it keeps free at its left."""
    box, reach = note.get_window_extent(), REACH * note.figure.dpi / 72
    return Bbox.from_extents(box.x0 - reach, box.y0, box.x1, box.y1)


def _bar(axes: Axes, place: int, group: Group, colour: str, marker: str) -> None:
    """To the cell's median horizon, its text behind it; one that is beyond the sequence ends in an arrow."""
    lags, longest = lags_of(group), longest_lag(group)
    median = float(np.median(lags))
    low, end, high = (min(float(lag), longest) for lag in (lags.min(), median, lags.max()))
    axes.barh(place, end, height=0.62, color=colour, alpha=0.8)
    axes.plot(0.02 * longest, place, marker, color="white", markeredgecolor=colour, markersize=5.5)
    axes.plot([low, high], [place, place], color=INK, linewidth=1, solid_capstyle="butt")
    within = math.isinf(median) or high > 0.9 * longest
    if math.isinf(median):
        axes.plot(longest, place, ">", color=colour, markersize=9, clip_on=False, zorder=3)
    axes.annotate(
        lag_text(median, longest),
        (low if within else high, place),
        (-6 if within else 6, 0),
        textcoords="offset points",
        ha="right" if within else "left",
        va="center",
        fontsize=8,
        fontweight="bold",
        color="white" if within else INK,
    )
