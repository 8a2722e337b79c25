"""A small panel of a figure in SVG: axes, lines and bands. Colours and fonts are the page's; texts stay texts."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from harness.demo.tags import tag

WIDTH = 360.0
"""Units across: as many pixels as a phone has, so that letters there have the size they are given here."""
FAR = 1e3
"""Times less than a logarithmic scale's end, where nothing is drawn any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """From values `low` … `high` to places `start` … `end`; a logarithm stops far below `low`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low / FAR))
        return self.start + (self.end - self.start) * (value - low) / (high - low)


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Two scales and what is drawn between them."""

    x: Scale
    y: Scale

    def line(self, xs: Iterable[float], ys: Iterable[float], class_: str) -> Markup:
        """A curve through points."""
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in zip(xs, ys, strict=True))
        return tag("polyline", points=points, class_=f"line {class_}")

    def within(self, *lines: Markup) -> Markup:
        """Curves, cut off where they leave the panel."""
        wide, high = self.x.end - self.x.start, self.y.start - self.y.end
        place = {"x": self.x.start, "y": self.y.end, "width": wide, "height": high}
        return tag("svg", *lines, viewBox=" ".join(f"{number:g}" for number in place.values()), **place)

    def level(self, value: float, words: str, class_: str = "") -> Markup:
        """A horizontal line with its name below its right end."""
        place = self.y(value)
        line = tag("line", x1=self.x.start, x2=self.x.end, y1=place, y2=place, class_=f"level {class_}")
        return line + label(self.x.end, place + 12, words, "note end")

    def axes(self, xs: Sequence[float], ys: Sequence[tuple[float, str]], across: str, up: str) -> Markup:
        """Grid lines and numbers at some values of both, and what they are: `across` below, `up` above at the left."""
        parts = []
        for value, words in ys:
            place = self.y(value)
            parts.append(tag("line", x1=self.x.start, x2=self.x.end, y1=place, y2=place, class_="grid"))
            parts.append(label(self.x.start - 6, place + 4, words, "tick end"))
        bottom = self.y.start
        for value in xs:
            place = self.x(value)
            parts.append(tag("line", x1=place, x2=place, y1=bottom, y2=bottom + 4, class_="axis"))
            parts.append(label(place, bottom + 17, f"{value:,.0f}", "tick middle"))
        parts.append(tag("line", x1=self.x.start, x2=self.x.end, y1=bottom, y2=bottom, class_="axis"))
        parts.append(label((self.x.start + self.x.end) / 2, bottom + 35, across, "title middle"))
        parts.append(label(2, self.y.end - 12, up, "title"))
        return Markup("").join(parts)


def label(x: float, y: float, words: str, class_: str = "") -> Markup:
    """A text at a place."""
    return tag("text", words, x=float(x), y=float(y), class_=class_)


def picture(height: float, name: str, told: str, *parts: Markup) -> Markup:
    """A figure of that height with its name and what it shows, for those who do not see it."""
    return tag(
        "svg",
        tag("title", name),
        tag("desc", told),
        *parts,
        viewBox=f"0 0 {WIDTH:g} {height:g}",
        role="img",
        aria_label=f"{name}. {told}",
    )


def round_steps(high: float, most: int = 5) -> list[float]:
    """0 and at most so many round numbers up to `high`: 1, 2 or 5 times a power of ten apart."""
    rough = high / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
    return [float(value) for value in np.arange(0, high + step / 1e6, step)]
