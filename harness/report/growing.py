"""How the memory kept for backward grows: the sizes that were weighed, a line a pair."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from harness.record import Status
from harness.report.bars import MIB
from harness.report.shapes import trials_at
from harness.report.style import INK, Looks, dress, plain_numbers, say_nothing
from harness.report.wording import count
from harness.store import RunView

BACKEND_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (7, 2)))


def draw_growth(axes: Axes, run: RunView, shape: str, looks: Looks) -> None:
    """One panel: MiB kept between forward and backward over T·B·H, both logarithmic; a line a pair."""
    trials = trials_at(run, "memory", shape)
    found = [r for t in trials if (r := run.records.get(t.id)) is not None and r.status == Status.OK]
    drawn = [(record, weighed) for record in found if len(weighed := run.arrays(record.id).get("scaling", np.empty(0)))]
    told = f"{len(drawn)} of {len(trials)} pairs; {_sizes(len(drawn[0][1]) if drawn else 0)}"
    dress(axes, "memory kept for backward", [shape, told], grid="both")
    axes.set_xlabel("T·B·H")
    axes.set_ylabel("MiB kept between forward and backward")
    if not drawn:
        say_nothing(axes, "no sizes were weighed")
        return
    names = dict.fromkeys(record.trial.backend for record, _ in drawn)
    lines = dict(zip(names, BACKEND_LINES * 2, strict=False))
    for record, weighed in drawn:
        size = weighed[:, :3].astype(float).prod(axis=1)
        order = np.argsort(size, kind="stable")
        colour, line = looks.colour(record.trial.cell), lines[record.trial.backend]
        axes.plot(size[order], weighed[order, 3] / MIB, linestyle=line, color=colour, linewidth=1.4, marker=".")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    plain_numbers(axes.xaxis)
    plain_numbers(axes.yaxis)
    cells = {str(record.trial.cell): looks.colour(record.trial.cell) for record, _ in drawn}
    handles = [Line2D([], [], color=colour, lw=2, label=cell) for cell, colour in cells.items()]
    handles += [Line2D([], [], color=INK, linestyle=line, lw=1.4, label=name) for name, line in lines.items()]
    axes.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=7.5)


def _sizes(n: int) -> str:
    return f"{count(n)} sizes a pair"
