"""The report as one HTML page that needs nothing beside it: findings first, then figures, tables, every trial."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from harness import pages
from harness.report.rows import status
from harness.report.shown import Content, Shown
from harness.report.style import DPI, INK, PALETTE, QUIET, RULE, as_svg
from harness.report.wording import NOTHING, count, duration, size
from harness.store import RunView

MOST_DRAWN = 1_500_000
"""Characters of drawings in a page; beyond, the largest figures are pictures."""
MOST_PANELS = 9
"""A figure of more panels is a picture, which takes less time to draw."""
MOST_TRIALS = 3000
"""Rows of the list of all trials."""
FIGURE = re.compile(r"[>≤<]? ?-?\d|–$|-$|—$|$")
ID = 8
"""Signs of an id that a command needs."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the page: its heading, a sentence on what it answers, its figures by name, its tables' topics."""

    id: str
    title: str
    lead: str
    figures: tuple[str, ...]
    topics: tuple[str, ...]


PARTS = (
    Part(
        "learning", "Does it learn?", "Scores on sequences held out from training.", ("learning_curves",), ("learning",)
    ),
    Part(
        "steps",
        "How soon?",
        "Optimiser steps until a task counts as solved; what was not solved is counted, not left out.",
        ("steps_to_solve",),
        ("ranks",),
    ),
    Part(
        "gradients",
        "How far back does it hear?",
        "What is left of a gradient at the last output, lag by lag towards the beginning.",
        ("gradients",),
        ("gradients",),
    ),
    Part("speed", "How fast is it?", "Both sides of a speed-up are timed in turns.", ("speed",), ("speed",)),
    Part(
        "memory",
        "What does it cost?",
        "What a warm step allocates, counted, and how it grows.",
        ("memory", "memory_growth"),
        ("memory",),
    ),
    Part(
        "balance",
        "Is it worth its cost?",
        "Scores against time and against parameters; dotted: the cells that no other beats in both.",
        ("accuracy_against_speed", "accuracy_against_parameters"),
        (),
    ),
    Part("gate", "Is it right?", "No pair is trained or timed before it agrees with its equation.", (), ("gate",)),
    Part("failures", "What is missing", "Every planned trial ends as a row, if only with a reason.", (), ("failures",)),
)
CAPTIONS = {
    "learning_curves": "Validation score by optimiser step: median over seeds; band: least to greatest.",
    "steps_to_solve": "Steps to solve, a dot a seed; triangles were not solved; the bar is the mean's 95 % interval.",
    "gradients": "The norm of the last output's gradient by lag, over all states, as a share of that at lag 0.",
    "speed": "The time of a train step; numbers behind the bars: the speed-up with its 95 % interval.",
    "memory": "The peak of a train step.",
    "memory_growth": "Memory kept between forward and backward at nine sizes.",
    "accuracy_against_speed": "Test score (median and range over seeds) against the time of the fastest train step.",
    "accuracy_against_parameters": "Test score (median and range over seeds) against the parameters of the layers.",
}


def as_page(run: RunView, drawn: Mapping[str, Figure], content: Content) -> str:
    """The document; `drawn`: the run's figures by name."""
    figures = _embedded({name: made for name, made in drawn.items() if name in CAPTIONS})
    parts = [
        (
            part,
            [name for name in part.figures if name in figures],
            [t for t in content.tables if t.topic in part.topics],
        )
        for part in PARTS
    ]
    trials = [*_trials(run)]
    template = pages.environment(__package__).get_template("page.html")
    return template.render(
        title=run.grid.get("title") or run.name,
        run=run,
        results=sum(status(run.records.get(trial.id)) in ("ok", "diverged") for trial in run.planned),
        findings=content.sentences,
        parts=[part for part in parts if part[1] or part[2]],
        figures=figures,
        captions=CAPTIONS,
        numeric=_numeric,
        repeats=_repeats,
        trials=trials,
        trial_rows=[[*row.values()] for row in trials],
        omitted=max(0, len(run.planned) - MOST_TRIALS),
        facts=[*_facts(run.facts)],
        style=pages.asset(__package__, "style.css"),
        script=pages.asset(__package__, "script.js"),
    )


def _repeats(table: Shown) -> list[tuple[str, int]]:
    """By row the command that repeats it, and how many more trials the row tells of; empty for rows of no trials."""
    return [(f"harness replay {trials[0][:ID]}", len(trials) - 1) for trials in table.trials]


def _trials(run: RunView) -> Iterator[dict[str, str]]:
    """Every planned trial: what was asked, how it ended, the command that repeats it."""
    for trial in run.planned[:MOST_TRIALS]:
        record = run.records.get(trial.id)
        yield {
            "trial": str(trial),
            "status": status(record),
            "seconds": duration(record.seconds) if record else NOTHING,
            "attempts": count(record.attempts) if record else NOTHING,
            "reason": record.reason.partition("\n")[0] if record else "no record: the run ended before it",
            "repeat": f"harness replay {trial.id[:ID]}" if record else f"harness show {trial.id[:ID]}",
        }


def _facts(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is known of machine and versions, as words."""
    for name, value in sorted(facts.items()):
        if value not in (None, "", [], {}):
            plain = ", ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value
            told = size(float(plain)) if name.endswith("_bytes") else plain
            words = ", ".join(map(str, told)) if isinstance(told, list) else str(told)
            yield name.removesuffix("_bytes").replace("_", " "), words


def _embedded(drawn: Mapping[str, Figure]) -> dict[str, Markup]:
    """Every figure as a drawing; the largest ones as pictures where all together would be too much."""
    drawings = {
        name: (_drawing if len(made.axes) <= MOST_PANELS else _picture)(made, CAPTIONS[name])
        for name, made in drawn.items()
    }
    total = sum(map(len, drawings.values()))
    for name in sorted(drawings, key=lambda name: -len(drawings[name])):
        if total <= MOST_DRAWN:
            break
        total -= len(drawings[name])
        drawings[name] = _picture(drawn[name], CAPTIONS[name])
    return drawings


def _drawing(made: Figure, words: str) -> Markup:
    """An SVG whose colours are the page's, light or dark, with words for who cannot see it."""
    text = re.sub(r' id="(?=[^"]*_\d+")[^"]*"', "", as_svg(made))  # all figures have a figure_1; clips keep theirs
    for name, colour in _colours().items():
        text = re.sub(rf"{colour}\b", f"var(--{name}, {colour})", text, flags=re.IGNORECASE)
    text = re.sub(r"font: ([^;\"]*?)'[^\"]*?(?=[;\"])", r"font: \1var(--font, sans-serif)", text)
    head = Markup('<svg role="img" aria-label="{}"').format(words)
    return Markup(text.replace("<svg", str(head), 1))


def _picture(made: Figure, words: str) -> Markup:
    written = BytesIO()
    made.savefig(written, format="png", dpi=DPI, metadata={"Software": None})
    source = base64.b64encode(written.getvalue()).decode()
    return Markup('<img class="picture" alt="{}" src="data:image/png;base64,{}">').format(words, source)


def _colours() -> dict[str, str]:
    return {"ink": INK, "quiet": QUIET, "rule": RULE, "paper": "#ffffff"} | {
        f"cell-{place}": colour for place, colour in enumerate(PALETTE)
    }


def _numeric(rows: Sequence[Sequence[str]]) -> set[int]:
    """The places of columns that hold figures, which stand at the right."""
    columns = enumerate(zip(*rows, strict=True))
    return {place for place, cells in columns if place and all(FIGURE.match(cell) for cell in cells)}
