"""Cells compared in pairs and ranked, by task and over all tasks: `--full` shows it, the files always hold it."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from harness import seeds, statistics
from harness.differences import differences, fewest_seeds
from harness.ranking import standings as standings_of
from harness.report.comparing import bounded_scores, capped_steps, comparable, has_scale, perfect
from harness.report.groups import Group, Numbers
from harness.report.rows import NAN, Row, frame
from harness.report.sections import Section, sections
from harness.store import RunView

STEPS, SCORE = "steps to solve", "normalised score"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """Cells side by side in one outcome: `table` [C, n], higher is better, cells paired by seed.

    Only cells of which every planned training came to an end: those of a cell that lacks some may be the lucky ones.
    """

    task: str
    setting: str
    outcome: str
    cells: tuple[str, ...]
    table: Numbers

    def of(self, cells: Sequence[str]) -> Numbers:
        """The rows of these cells."""
        return self.table[[self.cells.index(cell) for cell in cells]]


def comparisons(run: RunView) -> pd.DataFrame:
    """One row two cells, task and outcome: by how much `cell` is ahead of `over`, over n paired seeds.

    The difference of means (steps saved, or normalised score) and its t interval, simultaneous over the rows of the
    same task and outcome; p of the sign-flip test, and adjusted by Holm over the same rows; `differs`: established by
    both. P(ahead) with Wilson's interval, a tie counting half. Intervals are NaN where n is under six.
    """
    rows = [row for contest in contests(run) for row in _pairs(contest)]
    return frame(rows, "task setting outcome cell over n difference difference_low difference_high p p_holm differs")


def standings(run: RunView) -> pd.DataFrame:
    """One row a task and cell, and one a cell over all tasks that it and every other such cell was trained on.

    The interquartile mean of the normalised score over seeds and tasks, its interval and the rank's from one paired
    bootstrap, NaN where the seeds are too few; P(best); the letters of its tied sets: cells that share one are not told
    apart.
    """
    found = [contest for contest in contests(run) if contest.outcome == SCORE]
    rows = [row for contest in found for row in _standings(contest.task, contest.setting, [contest], contest.cells)]
    shared = [cell for cell in found[0].cells if all(cell in one.cells for one in found)] if found else []
    if len(found) > 1 and len(shared) > 1:
        rows += _standings(f"{len(found)} tasks together", "", found, shared)
    return frame(rows, "task setting cell n score score_low score_high rank rank_low rank_high best tied")


def contests(run: RunView) -> Iterator[Contest]:
    """What can be compared of a run: two cells at least, by steps to solve or normalised score."""
    for section in sections(run):
        able = comparable(section)
        if any(group.has_criterion for group in able):
            yield from _contest(section, able, STEPS, lambda group: -capped_steps(group))
        yield from _contest(section, able, SCORE, normalised)


def normalised(group: Group) -> Numbers:
    """The leading test score on the scale from 0, the memoryless baseline, to 1, a perfect answer.

    What is worse than the baseline counts as the baseline, and so does a training that diverged. NaN where the metric
    has no such scale: no baseline, or scores beyond perfect.
    """
    if not has_scale(group):
        return np.full(group.n, NAN)
    baseline = group.baseline(group.primary)
    return (bounded_scores(group) - baseline) / (perfect(group) - baseline)


def _contest(
    section: Section, able: Sequence[Group], outcome: str, samples: Callable[[Group], Numbers]
) -> Iterator[Contest]:
    found = [group.by_seed(samples(group)) for group in able]
    shared = sorted(set.intersection(*(set(one) for one in found))) if found else []
    table = np.array([[one[seed] for seed in shared] for one in found])
    if len(able) > 1 and shared and np.isfinite(table).all():
        cells = tuple(section.label(group) for group in able)
        yield Contest(task=section.task, setting=section.setting, outcome=outcome, cells=cells, table=table)


def _pairs(contest: Contest) -> list[Row]:
    pairs = [_ordered(contest, i, j) for i, j in combinations(range(len(contest.cells)), 2)]
    found = differences([contest.table[ahead] - contest.table[behind] for ahead, behind in pairs])
    rows = []
    for (ahead, behind), one in zip(pairs, found, strict=True):
        share = statistics.superiority(contest.table[ahead], contest.table[behind])
        known = one.mean.n >= fewest_seeds()
        rows.append(
            {
                **{"task": contest.task, "setting": contest.setting, "outcome": contest.outcome},
                **{"cell": contest.cells[ahead], "over": contest.cells[behind], "n": one.mean.n},
                "difference": one.mean.value,
                "difference_low": one.mean.low if known else NAN,
                "difference_high": one.mean.high if known else NAN,
                "p": one.p,
                "p_holm": one.p_holm,
                "differs": one.is_established,
                "ahead": share.value,
                "ahead_low": share.low,
                "ahead_high": share.high,
            }
        )
    return rows


def _ordered(contest: Contest, i: int, j: int) -> tuple[int, int]:
    """The two cells, the one that is ahead first."""
    return (i, j) if contest.table[i].mean() >= contest.table[j].mean() else (j, i)


def _standings(task: str, setting: str, found: Sequence[Contest], cells: Sequence[str]) -> list[Row]:
    rng = seeds.stream(0, "bootstrap", task, setting)
    placed = standings_of([contest.of(cells) for contest in found], rng)
    return [
        {
            **{"task": task, "setting": setting, "cell": cell, "n": standing.score.n},
            **{"score": standing.score.value, "score_low": standing.score.low, "score_high": standing.score.high},
            **{"rank": standing.rank.value, "rank_low": standing.rank.low, "rank_high": standing.rank.high},
            "best": standing.first if math.isfinite(standing.rank.low) else NAN,
            "tied": "".join(_letter(place) for place in standing.groups),
        }
        for cell, standing in zip(cells, placed, strict=True)
    ]


def _letter(place: int) -> str:
    """a, b, … z, then numbers."""
    return chr(ord("a") + place) if place < 26 else f"({place + 1})"
