"""How many steps it took: a dot a seed, cells under each other; what was not solved stands behind the budget."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harness.report.groups import Group
from harness.report.sections import Section
from harness.report.style import INK, QUIET, Looks, dress, plain_numbers, say_nothing, told_of
from harness.report.wording import count

BEYOND = 1.06
"""Where on the axis unsolved seeds stand, times the budget."""
SPREAD = 0.22
"""How far seeds stand apart across a cell's row."""


def draw_solving(axes: Axes, section: Section, looks: Looks) -> None:
    """One panel: every chosen group of a task that says when it is solved."""
    groups = [group for group in section.chosen if group.n and group.has_criterion]
    budget = max(group.budget for group in section.chosen)
    told = f"dot: a seed; triangle: not within {count(budget)}; line: mean, 95 %"
    dress(axes, section.name, told_of(section, told), grid="x")
    axes.set_xlabel("optimiser steps to solve")
    if not groups:
        say_nothing(axes, "the task has no criterion")
        return
    for row, group in enumerate(groups):
        _draw(axes, row, group, looks)
    axes.axvline(budget, color=QUIET, linestyle=(0, (2, 2)), linewidth=1)
    axes.set_xlim(0, budget * 1.12)
    axes.set_ylim(len(groups) - 0.4, -0.6)
    axes.set_yticks(range(len(groups)), [f"{group.cell}  {group.solved}/{group.n}" for group in groups])
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    plain_numbers(axes.xaxis)


def _draw(axes: Axes, row: int, group: Group, looks: Looks) -> None:
    colour, steps = looks.colour(group.trial.cell), group.steps_to_solve()
    solved = np.isfinite(steps)
    across = row + np.linspace(-SPREAD, SPREAD, len(steps)) if len(steps) > 1 else np.array([float(row)])
    mean = group.restricted_mean()
    axes.plot([mean.low, mean.high], [row, row], color=colour, linewidth=5, alpha=0.25, solid_capstyle="butt")
    axes.plot([mean.value] * 2, [row - 0.3, row + 0.3], color=INK, linewidth=1.4)
    axes.plot(steps[solved], across[solved], "o", color=colour, markersize=4.5, alpha=0.85)
    if not solved.all():
        beyond = np.full(int((~solved).sum()), BEYOND * group.budget)
        axes.plot(beyond, across[~solved], ">", color=colour, markerfacecolor="none", markersize=5)
