"""What `--full` adds to the tables a reader sees: pairs of cells, and ranks."""

import math
from collections.abc import Hashable, Iterator
from typing import Any

import pandas as pd

from harness.differences import fewest_seeds
from harness.report import ranking
from harness.report.sections import Section, sections
from harness.report.wording import NOTHING, bracketed, count, number, spread
from harness.resampling import FEWEST_FOR_MEAN
from harness.store import RunView

Text = tuple[str, list[dict[str, str]], str]
"""A title, rows by column, and a note."""


def full_tables(run: RunView) -> Iterator[Text]:
    """Pairs of cells by task and outcome, then ranks by task and over all tasks; n of N in every title."""
    counted: dict[tuple[Hashable, Hashable], tuple[int, int]]
    counted = {(str(section.task), section.setting): _counted(section) for section in sections(run)}
    for (task, setting, outcome), rows in ranking.comparisons(run).groupby(["task", "setting", "outcome"], sort=False):
        yield (
            f"{task} · {setting} · in pairs, by {outcome} · {_of([counted[task, setting]])}",
            [_pair(row) for _, row in rows.iterrows()],
            _pairs_note(rows),
        )
    together: list[tuple[int, int]] = []
    for (task, setting), rows in ranking.standings(run).groupby(["task", "setting"], sort=False):
        one = counted.get((task, setting))
        together += [one] if one else []
        counts = [one] if one else together
        title = " · ".join(str(part) for part in (task, setting, "ranks", _of(counts)) if part != "")
        yield title, [_standing(row) for _, row in rows.iterrows()], _standings_note(rows)


def _counted(section: Section) -> tuple[int, int]:
    return sum(group.n for group in section.groups), sum(group.planned for group in section.groups)


def _of(counts: list[tuple[int, int]]) -> str:
    results, planned = zip(*counts, strict=True)
    return f"{sum(results)} of {sum(planned)} trials"


def _pair(row: "pd.Series[Any]") -> dict[str, str]:
    return {
        "cell": str(row["cell"]),
        "over": str(row["over"]),
        "n": count(row["n"]),
        "ahead by": _difference(row),
        "p": number(row["p"], 2),
        "p, Holm": number(row["p_holm"], 2),
        "P(ahead)": _share(row, "ahead"),
        "differs": "yes" if row["differs"] else NOTHING,
    }


def _difference(row: "pd.Series[Any]") -> str:
    value, low, high = (float(row[f"difference{end}"]) for end in ("", "_low", "_high"))
    return number(value) if math.isnan(low) else bracketed(value, low, high)


def _pairs_note(rows: pd.DataFrame) -> str:
    n, few = int(rows["n"].min()), fewest_seeds()
    told = (
        "Ahead by: difference of means over n paired seeds, t interval, 95 % for the rows together. p: sign-flip test, "
        "and Holm's over the rows of this table. Differs: where both exclude that there is no difference. P(ahead): "
        "share of seeds, a tie counts half; Wilson's 95 % interval."
    )
    if n < few:
        told += f" n = {n}: too few for an interval of the difference ({few} at least)."
    return told + _too_few(n, len(rows))


def _too_few(n: int, pairs: int) -> str:
    """Says so where even the clearest pair could not be told apart."""
    fewest = fewest_seeds(pairs)
    if n >= fewest:
        return ""
    return f" n = {n}: too few to tell one of {pairs} pairs apart ({fewest} at least)."


def _standing(row: "pd.Series[Any]") -> dict[str, str]:
    rank = f"{row['rank']:g}"
    known = not math.isnan(row["rank_low"])
    return {
        "cell": str(row["cell"]),
        "n": count(row["n"]),
        "score": spread(row["score"], row["score_low"], row["score_high"]),
        "rank": f"{rank} [{count(row['rank_low'])}–{count(row['rank_high'])}]" if known else rank,
        "P(best)": f"{row['best']:.2f}" if known else NOTHING,
        "tied": str(row["tied"]) or NOTHING,
    }


def _standings_note(rows: pd.DataFrame) -> str:
    told = (
        "Score: interquartile mean over seeds and tasks; 0 is the memoryless baseline, 1 perfect. Rank: by score. "
        "95 % intervals and P(best): paired bootstrap over seeds. Tied: cells that share a letter are not told apart."
    )
    n = int(rows["n"].min())
    if rows["score_low"].isna().any():
        told += f" n = {n}: too few for an interval of the score ({FEWEST_FOR_MEAN} at least on every task)."
    if rows["rank_low"].isna().any():
        told += f" n = {n}: too few for one of the rank and for P(best) ({fewest_seeds()} at least on one task)."
    return told + _too_few(n, math.comb(len(rows), 2))


def _share(row: "pd.Series[Any]", name: str) -> str:
    return f"{row[name]:.2f} [{row[f'{name}_low']:.2f}–{row[f'{name}_high']:.2f}]"
