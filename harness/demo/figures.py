"""The figures of the page, drawn from a story. Words come from a language's catalogue, numbers from the records."""

from collections.abc import Callable, Iterable

import numpy as np
from markupsafe import Markup

from harness.demo.panel import WIDTH, Panel, Scale, label, picture, round_steps
from harness.demo.story import Hearing, Story, Told
from harness.demo.tags import tag
from harness.report.groups import Numbers

FLOOR, FORGOTTEN = 1e-3, 0.01
BESIDE, ABOVE, BELOW = 46.0, 28.0, 42.0
"""Room at the left, above and below a panel, for numbers and titles."""
CHAIN = 4
"""Cells drawn of the chain."""
HIGHEST = 3.0
"""Times the baseline where the error's scale ends: some first steps overshoot."""

Say = Callable[..., str]
"""A text of the catalogue by its key, with values put in."""


def sample(story: Story, say: Say) -> Markup:
    """A sequence as bars; the marked numbers stand out, their sum below."""
    one, top, bottom = story.sample, 30.0, 114.0
    wide, parts = (WIDTH - 20) / len(one.numbers), []
    for place, (number, mark) in enumerate(zip(one.numbers, one.marks, strict=True)):
        x, height, drawn = 10 + wide * place, float(number) * (bottom - top), "marked" if mark else "bar"
        middle = x + 0.36 * wide
        if mark:
            parts.append(tag("line", x1=middle, x2=middle, y1=bottom - height, y2=top - 6, class_="leader"))
            parts.append(label(middle, 18, f"{number:.2f}", "value middle"))
            parts.append(tag("path", d=_bow(middle, bottom + 15), class_="bow"))
        parts.append(tag("rect", x=x, y=bottom - height, width=0.72 * wide, height=height, class_=drawn))
        parts.append(tag("rect", x=x, y=bottom + 6, width=0.72 * wide, height=7.0, class_=f"{drawn} mark"))
    first, second = one.numbers[one.marks > 0]
    parts.append(label(WIDTH / 2, 182, f"{first:.2f} + {second:.2f} = {one.answer:.2f}", "sum middle"))
    parts.append(label(10, bottom + 30, say("sample.first"), "tick"))
    parts.append(label(WIDTH - 10, bottom + 30, say("sample.last"), "tick end"))
    return picture(190, say("sample.name"), say("sample.told"), *parts)


def chain(say: Say) -> Markup:
    """The cell again and again: inputs from below, the state to the right, at the end the answer."""
    parts = []
    for place, t in enumerate(("1", "2", "3", "T")):
        x = 22 + 84 * place
        parts.append(tag("rect", x=x, y=44, width=50, height=38, rx=8, class_="cell"))
        parts.append(label(x + 25, 67, say("chain.cell"), "middle"))
        parts.append(_arrow(x + 25, 118, x + 25, 85))
        parts.append(_symbol(x + 25, 134, "x", t))
        if place < CHAIN - 2:
            parts += [_arrow(x + 51, 63, x + 83, 63), _symbol(x + 67, 55, "h", t)]
    parts += [_arrow(241, 63, 273, 63), label(257, 56, "…", "middle")]
    parts += [_arrow(299, 43, 299, 24), label(299, 16, say("chain.answer"), "middle")]
    return picture(142, say("chain.name"), say("chain.told"), *parts)


def learning(story: Story, say: Say) -> Markup:
    """The error by optimiser steps: every training thin, their median thick."""
    told = [one for one in story.told.values() if one.courses]
    scores = [score for one in told for _, score in one.courses] or [np.array([story.baseline])]
    low = min(story.criterion.threshold, *(float(score.min()) for score in scores)) / 1.5
    high = HIGHEST * story.baseline
    panel = Panel(
        x=Scale(low=0, high=story.budget, start=BESIDE, end=WIDTH - 18),
        y=Scale(low=low, high=high, start=252, end=ABOVE, log=True),
    )
    ticks = [(tick, f"{tick:g}") for tick in (1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5) if low <= tick <= high]
    lines = [panel.line(x, y, f"{one.key} thin") for one in told for x, y in one.courses]
    for one in told:
        if one.curve is not None:
            known = np.isfinite(one.curve.median)
            lines.append(panel.line(one.curve.step[known], one.curve.median[known], one.key))
    parts = [
        panel.axes(round_steps(story.budget), ticks, say("learning.across"), say("learning.up")),
        panel.within(*lines),
        panel.level(story.baseline, say("learning.baseline")),
        panel.level(0.5 * story.baseline, say("learning.one")),
        panel.level(story.criterion.threshold, say("learning.solved"), "goal"),
    ]
    return picture(252 + BELOW, say("learning.name"), say("learning.told"), *parts)


def reach(story: Story, say: Say, *, trained: bool) -> Markup:
    """The share of a gradient that arrives, by lag: every seed thin, their median thick."""
    panel = Panel(
        x=Scale(low=0, high=story.lags, start=BESIDE, end=WIDTH - 18),
        y=Scale(low=FLOOR, high=_highest(story), start=230, end=ABOVE, log=True),
    )
    ticks = [(value, f"{100 * value:g} %") for value in (1.0, 0.1, 0.01, 0.001)]
    found = [(key, hearing) for key, hearing in _hearings(story, trained=trained) if hearing.norms.size]
    lag = np.arange(story.length, dtype=float)
    lines = [panel.line(lag[: len(norm)], norm, f"{key} thin") for key, heard in found for norm in heard.norms]
    for key, heard in found:
        lines.append(panel.line(lag[: heard.norms.shape[1]], np.median(heard.norms, axis=0), key))
    stage = "after" if trained else "before"
    parts = [
        _forgotten(panel, say("reach.forgotten")),
        panel.axes(round_steps(story.lags), ticks, say("reach.across"), say("reach.up")),
        panel.within(*lines),
    ]
    return picture(230 + BELOW, say(f"reach.{stage}"), say(f"reach.{stage}.told"), *parts)


def strips(story: Story, say: Say) -> Markup:
    """Of each cell a row: the steps of a sequence, dark where a correction at its end still arrives, after training."""
    wide, parts = (WIDTH - 20) / story.length, []
    for row, (key, hearing) in enumerate(_hearings(story, trained=True)):
        y = 42.0 + 46 * row
        parts.append(label(10, y - 6, story.told[key].name, f"name {key}"))
        share = np.median(hearing.norms, axis=0) if hearing.norms.size else np.zeros(story.length)
        for lag, opacity in enumerate(_opacity(share)):
            x = WIDTH - 10 - wide * (lag + 1)
            drawn = {"x": x, "y": y, "width": 0.86 * wide, "height": 20.0}
            parts += [
                tag("rect", class_="empty", **drawn),
                tag("rect", class_=key, fill_opacity=float(opacity), **drawn),
            ]
    for step in story.sample.marked:
        middle = 10 + wide * (step - 0.57)
        parts.append(tag("line", x1=middle, x2=middle, y1=20, y2=156, class_="leader"))
        parts.append(label(middle, 14, f"{story.sample.numbers[step - 1]:.2f}", "value middle"))
    parts += [label(10, 172, say("sample.first"), "tick"), label(WIDTH - 10, 172, say("sample.last"), "tick end")]
    return picture(178, say("strips.name"), say("strips.told"), *parts)


def dots(told: Told, say: Say) -> Markup:
    """A dot a seed, full where it solved; dashed where the training has no result."""
    seeds: list[bool | None] = [*told.seeds, *([None] * (told.planned - told.n))]
    across = [WIDTH / 2 + 44 * (place - (len(seeds) - 1) / 2) for place in range(len(seeds))]
    kinds = {True: f"full {told.key}", False: f"hollow {told.key}", None: "absent"}
    drawn = [tag("circle", cx=x, cy=22, r=16, class_=kinds[solved]) for x, solved in zip(across, seeds, strict=True)]
    return picture(44, told.name, say("dots.told", cell=told), *drawn)


def _hearings(story: Story, *, trained: bool) -> Iterable[tuple[str, Hearing]]:
    for key, one in story.told.items():
        yield key, one.after if trained else one.before
    if not trained:
        yield "biased", story.biased


def _highest(story: Story) -> float:
    """The same for both panels, so that they can be compared."""
    found = [h.norms for trained in (False, True) for _, h in _hearings(story, trained=trained) if h.norms.size]
    return 1.3 * max([1.0, *(float(norms.max()) for norms in found)])


def _opacity(share: Numbers) -> Numbers:
    """1 where all arrives, 0 where a thousandth does: in between by the logarithm, as ears have it."""
    found: Numbers = np.clip(1 - np.log10(np.maximum(share, FLOOR)) / np.log10(FLOOR), 0, 1)
    return found


def _forgotten(panel: Panel, words: str) -> Markup:
    top, bottom = panel.y(FORGOTTEN), panel.y.start
    area = tag(
        "rect", x=panel.x.start, y=top, width=panel.x.end - panel.x.start, height=bottom - top, class_="forgotten"
    )
    return area + label(panel.x.end - 4, top + 14, words, "note end")


def _bow(x: float, y: float) -> str:
    return f"M{x:.1f} {y:.1f} Q{x:.1f} 156 {(x + WIDTH) / 3:.1f} 164"


def _arrow(x1: float, y1: float, x2: float, y2: float) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="arrow", marker_end="url(#tip)")


def _symbol(x: float, y: float, name: str, index: str) -> Markup:
    """A letter with its index."""
    return tag("text", name, tag("tspan", index, dy=4, class_="index"), x=x, y=y, class_="middle symbol")
