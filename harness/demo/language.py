"""A language's catalogue: texts by key, each a small template; how lists, figures and particles are written in it."""

import math
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from harness.report.wording import count, number, setting

ENDS_IN_CONSONANT = frozenset("LMNRlmnr013678")
"""Latin letters and digits whose Korean names end in a consonant: 엘, 엠, 엔, 알; 영, 일, 삼, 육, 칠, 팔."""
FIRST, LAST, FINALS = 0xAC00, 0xD7A3, 28
"""Hangul syllables in Unicode, and how many endings each has, none being the first."""


class Language:
    """The texts of one language. `values`: what every text may name."""

    def __init__(self, code: str, values: Mapping[str, Any]) -> None:
        self.code, self._values = code, values
        text = files("harness.demo").joinpath("words", f"{code}.toml").read_text("utf-8")
        self.texts: dict[str, str] = _flat(tomllib.loads(text))

    @cached_property
    def _environment(self) -> Environment:
        made = Environment(autoescape=True, undefined=StrictUndefined)
        made.filters |= self.filters
        return made

    @property
    def filters(self) -> dict[str, Callable[..., Any]]:
        """How figures, lists and words are written in texts and templates."""
        figures = {"number": number, "count": count, "setting": setting, "scientific": scientific}
        return {**figures, "lags": self.lags, "range": self.range, "listed": self.listed, "particle": particle}

    def say(self, key: str, **values: Any) -> Markup:
        """The text of that key with values put in; what they hold is escaped, what the catalogue has is not."""
        return Markup(self._environment.from_string(self.texts[key]).render({**self._values, **values}))

    def plain(self, key: str, **values: Any) -> str:
        """The same for a figure or a title: without markup."""
        return self.say(key, **values).striptags()

    def listed(self, names: Iterable[Any]) -> str:
        """a, a and b, a, b and c: as the catalogue joins them. Cells stand by their names."""
        words = [str(getattr(name, "name", name)) for name in names]
        if len(words) < 2:
            return "".join(words)
        *most, last = words
        return self.plain("joint", before=", ".join(most), last=last)

    def lags(self, lag: float) -> str:
        """A lag as people read it: `8`, or that it is more than was looked at."""
        if math.isinf(lag):
            return self.plain("lags.beyond")
        return number(lag) if math.isnan(lag) else f"{lag:g}"

    def range(self, hearing: Any) -> str:
        """The least to the greatest seed's lag: `8`, `8–10`."""
        least, most = self.lags(hearing.least), self.lags(hearing.most)
        return least if least == most else f"{least}–{most}"


def scientific(value: float) -> Markup:
    """A small number as a student writes it: 2.2 × 10⁻⁹."""
    digits, power = f"{value:.1e}".split("e")
    return Markup("{}&nbsp;×&nbsp;10<sup>{}</sup>").format(digits, str(int(power)).replace("-", "−"))


def particle(word: str, pair: str) -> str:
    """The word with the Korean particle that its end asks for: `LSTM` and `은/는` give LSTM은, `GRU` gives GRU는."""
    closed, open_ = pair.split("/")
    return f"{word}{closed if _ends_in_consonant(word) else open_}"


def _ends_in_consonant(word: str) -> bool:
    last = word.rstrip(")]%’'\" ")[-1:]
    if FIRST <= ord(last or " ") <= LAST:
        return (ord(last) - FIRST) % FINALS > 0
    return last in ENDS_IN_CONSONANT


def _flat(plain: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Tables within tables as one: `solving.none`."""
    found: dict[str, str] = {}
    for key, value in plain.items():
        found |= _flat(value, f"{before}{key}.") if isinstance(value, Mapping) else {f"{before}{key}": value}
    return found
