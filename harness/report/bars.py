"""Bars of speed and memory: a bar a pair, cells together, one panel a shape."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from harness.record import Record, Status
from harness.report.rows import value
from harness.report.shapes import trials_at
from harness.report.style import INK, Looks, dress, say_nothing
from harness.report.wording import HIDES, bracketed, duration, size
from harness.store import RunView
from harness.trial import Measure

BAR, GAP = 0.78, 0.45
MIB = 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One pair's bar: its length, the ends of its whisker, and what is written behind it."""

    record: Record
    length: float
    low: float
    high: float
    text: str


def draw_speed(axes: Axes, run: RunView, shape: str, looks: Looks) -> None:
    """Milliseconds a train step; the whisker spans the medians of the pairs of processes."""
    bars = [_speed_bar(run, record) for record in _records(run, "speed", shape)]
    planned = len(trials_at(run, "speed", shape))
    told = [
        f"{shape}; {len(bars)} of {planned} pairs",
        "×: speed-up over the cell's baseline, timed side by side, 95 %; bars are from different minutes",
    ]
    dress(axes, "time of a train step", told, grid="x")
    _draw(axes, bars, looks)
    axes.set_xlabel("milliseconds; whiskers: slowest and fastest pair of processes")


def draw_memory(axes: Axes, run: RunView, shape: str, looks: Looks) -> None:
    """MiB at the peak of a train step."""
    bars = [_memory_bar(record) for record in _records(run, "memory", shape)]
    planned = len(trials_at(run, "memory", shape))
    hiding = any(bar.text.endswith(HIDES) for bar in bars)
    told = [
        f"{shape}; {len(bars)} of {planned} pairs",
        f"{HIDES} the system gave more than was counted" if hiding else "",
    ]
    dress(axes, "peak memory of a train step", told, grid="x")
    _draw(axes, bars, looks)
    axes.set_xlabel("MiB allocated")


def _speed_bar(run: RunView, record: Record) -> Bar:
    seconds = record.number("train_seconds")
    samples = run.arrays(record.id).get("train", np.empty((0, 2, 0)))[:, 0]
    medians = np.median(samples, axis=1) if samples.size else np.array([seconds])
    text = duration(seconds)
    if record.trial.backend != record.trial.versus:
        low, high = record.number("train_speedup_low"), record.number("train_speedup_high")
        text += f"   {bracketed(record.number('train_speedup'), low, high, '×')}"
    low, high = min(seconds, float(medians.min())), max(seconds, float(medians.max()))
    return Bar(record=record, length=1e3 * seconds, low=1e3 * low, high=1e3 * high, text=text)


def _memory_bar(record: Record) -> Bar:
    peak = record.number("train_peak_bytes")
    mark = f" {HIDES}" if value(record, "hides") is True else ""
    return Bar(record=record, length=peak / MIB, low=math.nan, high=math.nan, text=size(peak) + mark)


def _records(run: RunView, measure: Measure, shape: str) -> list[Record]:
    """Records that are ok, cells together."""
    found = [run.records[trial.id] for trial in trials_at(run, measure, shape) if trial.id in run.records]
    order = {cell: place for place, cell in enumerate(dict.fromkeys(str(record.trial.cell) for record in found))}
    return sorted((r for r in found if r.status == Status.OK), key=lambda r: order[str(r.trial.cell)])


def _draw(axes: Axes, bars: Sequence[Bar], looks: Looks) -> None:
    bars = [bar for bar in bars if math.isfinite(bar.length)]
    if not bars:
        say_nothing(axes, "no results")
        return
    places = _places(bars)
    colours = [looks.colour(bar.record.trial.cell) for bar in bars]
    axes.barh(places, [bar.length for bar in bars], height=BAR, color=colours, alpha=0.85)
    for place, bar in zip(places, bars, strict=True):
        if math.isfinite(bar.low):
            reach = [[bar.length - bar.low], [bar.high - bar.length]]
            axes.errorbar(bar.length, place, xerr=reach, color=INK, elinewidth=1, capsize=2, capthick=1)
        tip = max(bar.length, bar.high if math.isfinite(bar.high) else 0)
        note = axes.annotate(bar.text, (tip, place), (5, 0), textcoords="offset points", va="center", fontsize=7.5)
        note.set_in_layout(False)
    axes.set_yticks(places, [_label(bar.record) for bar in bars])
    axes.set_ylim(places[-1] + 0.6, places[0] - 0.6)
    axes.tick_params(axis="y", length=0)


def _label(record: Record) -> str:
    return f"{record.trial.cell} · {record.trial.backend}"


def _places(bars: Sequence[Bar]) -> list[float]:
    """From the top down, with a gap between cells."""
    places, last = [0.0], bars[0].record.trial.cell
    for bar in bars[1:]:
        places.append(places[-1] + 1 + GAP * (bar.record.trial.cell != last))
        last = bar.record.trial.cell
    return places


def make_room(axes: Axes) -> None:
    """Lengthens the axis so that the texts behind the bars have room; for a figure whose layout is settled."""
    width, gap = axes.bbox.width, 12 * axes.figure.dpi / 72
    notes = [note for note in axes.texts if isinstance(note, Annotation) and note.xycoords == "data"]
    room = [width - note.get_window_extent().width - gap for note in notes]
    ends = [float(note.xy[0]) * width / max(left, width / 4) for note, left in zip(notes, room, strict=True)]
    if ends and max(ends) > 0:
        axes.set_xlim(0, max(ends))
