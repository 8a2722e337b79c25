"""One look for every figure: colours that the colour-blind can tell apart, quiet axes, no global state."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, NullFormatter
from numpy.typing import NDArray

from harness.report.groups import Group
from harness.report.sections import Section
from harness.report.wording import plain_name
from harness.store import RunView
from harness.trial import Subject

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#5B4DA0", "#7A7A7A")
"""Okabe & Ito's colours (2008) without yellow and black, and two more."""
LINES: tuple[Any, ...] = ("-", (0, (5, 1.2)), (0, (1, 1)), (0, (4, 1, 1, 1)))
INK, QUIET, RULE = "#222222", "#6B6B6B", "#DDDDDD"
DPI = 150
VECTORS: Any = {"svg.fonttype": "none", "svg.hashsalt": "harness", "pdf.fonttype": 42}
"""Texts stay texts, which can be found and read aloud; the same figure has the same bytes."""
PANEL_SIGNS = 50
"""As many signs of a subtitle fit over a panel."""
LOGARITHMIC_FROM = 15
"""A score where lower is better gets a logarithmic axis if its greatest is so many times its least."""


@dataclass(frozen=True, slots=True)
class Looks:
    """A colour for every cell's name and a line for every variant of it, the same in all figures of a run."""

    colours: Mapping[str, str]
    lines: Mapping[str, Any]

    @classmethod
    def of(cls, run: RunView) -> "Looks":
        """Colours in the order of names; variants (`lstm[forget_bias=1]`) share their cell's colour."""
        cells = {str(trial.cell): trial.cell.name for trial in run.planned}
        names = sorted(set(cells.values()))
        colours = {name: PALETTE[place % len(PALETTE)] for place, name in enumerate(names)}
        lines: dict[str, Any] = {}
        for name in names:
            variants = sorted((spelling for spelling, own in cells.items() if own == name), key=lambda s: (len(s), s))
            lines |= {spelling: LINES[place % len(LINES)] for place, spelling in enumerate(variants)}
        return cls(colours, lines)

    def colour(self, cell: Subject) -> str:
        """The cell's colour."""
        return self.colours[cell.name]

    def line(self, group: Group) -> Any:
        """The line of the group's variant of its cell."""
        return self.lines[group.cell]


def figure(width: float, height: float) -> Figure:
    """An empty figure, inches; its parts find room for their labels by themselves."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08, wspace=0.03, hspace=0.05)
    made = Figure(figsize=(width, height), dpi=DPI, layout=layout, facecolor="white")
    FigureCanvasAgg(made)  # it measures texts ten times as fast as a figure without a canvas
    return made


def dress(axes: Axes, title: str, subtitle: Sequence[str], *, grid: Literal["x", "y", "both"] = "y") -> None:
    """Quiet spines, a light grid, the title at the left above the lines of its subtitle."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
    axes.tick_params(labelsize=8, color=QUIET, labelcolor=INK)
    axes.grid(axis=grid, color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", color=INK, pad=7 + 10 * len(subtitle))
    for place, line in enumerate(reversed(subtitle)):
        note = axes.annotate(
            line, (0, 1), (0, 6 + 10 * place), "axes fraction", textcoords="offset points", va="bottom"
        )
        note.set(fontsize=7.5, color=QUIET, annotation_clip=False)
        note.set_in_layout(False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set(fontsize=8.5, color=INK)


def told_of(section: Section, last: str) -> list[str]:
    """Options, model and training of a section and a last line, in lines that a panel has room for."""
    task = section.groups[0].trial.task
    lines = [", ".join(f"{name} {value}" for name, value in task.changed)] if task and task.changed else []
    lines += [str(section.match)] if section.match else []
    lines.append("")
    for part in section.setting.split(", "):
        joined = f"{lines[-1]}, {part}" if lines[-1] else part
        lines[-1:] = [joined] if len(joined) <= PANEL_SIGNS else [f"{lines[-1]},", part]
    lines.append(last)
    return [*lines, *([""] * (3 - len(lines)))]


def fit_scores(axes: Axes, found: NDArray[Any], *, higher_is_better: bool) -> None:
    """Limits of the y axis that hold all finite scores; an error that falls by much gets a logarithmic axis."""
    found = found[np.isfinite(found)]
    if not len(found):
        return
    low, high = float(found.min()), float(found.max())
    if not higher_is_better and low > 0 and high / low > LOGARITHMIC_FROM:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.4, high * 1.6)
    elif higher_is_better and low >= 0 and high <= 1:
        axes.set_ylim(-0.02, 1.04)
    else:
        room = 0.06 * (high - low or abs(high) or 1.0)
        axes.set_ylim(0.0 if low >= 0 else low - room, high + room)
    plain_numbers(axes.yaxis)


def score_label(group: Group) -> str:
    """The leading metric and its direction, for an axis."""
    return f"{plain_name(group.primary)}\n({'higher' if group.higher_is_better else 'lower'} is better)"


def draw_level(axes: Axes, level: float, name: str, line: Any = (0, (2, 2))) -> None:
    """A horizontal line with its name at its right end; nothing where there is no such level."""
    if np.isfinite(level):
        axes.axhline(level, color=QUIET, linestyle=line, linewidth=1.2, zorder=1.5)
        axes.annotate(
            name,
            xy=(1, level),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 2),
            textcoords="offset points",
            fontsize=7,
            color=QUIET,
            ha="right",
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )


def say_nothing(axes: Axes, words: str) -> None:
    """An empty panel that says why."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", fontsize=9, color=QUIET)
    axes.set_xticks([])
    axes.set_yticks([])


def plain_numbers(axis: Any) -> None:
    """Ticks as people write numbers, on logarithmic axes too; the ticks between decades stay bare."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    axis.set_minor_formatter(NullFormatter())


def save(made: Figure, path: Path) -> Path:
    """Writes the figure in the format of the path's ending, the same bytes for the same figure.

    Its layout is settled by the first time: it takes as long as all the rest.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    nameless = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with rc_context(VECTORS):
        made.savefig(path, dpi=DPI, metadata=nameless[path.suffix[1:]])
    made.set_layout_engine("none")
    return path


def as_svg(made: Figure) -> str:
    """The figure as an SVG element; its texts are texts."""
    written = StringIO()
    with rc_context(VECTORS):
        made.savefig(written, format="svg", metadata={"Date": None}, transparent=True)
    text = written.getvalue()
    return text[text.index("<svg") :]


def legend(made: FigureBase, handles: Iterable[Any], columns: int) -> None:
    """One legend for all panels, above them."""
    made.legend(
        handles=[*handles],
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=8.5,
        handlelength=2.4,
        columnspacing=1.6,
    )
