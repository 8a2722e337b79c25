"""The one spelling of cells, tasks and pairs: `lstm[forget_bias=1]@fused[recompute=16]`, `adding[length=40]`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.errors import HarnessError

Scalar = bool | int | float | str | None

_WORD = r"[a-z][a-z0-9_]*"
_SPELLING = re.compile(rf"(?P<name>{_WORD})(?:\[(?P<options>[^\[\]]*)\])?(?:@(?P<backend>{_WORD}(?:\[[^\[\]]*\])?))?")
_INTEGER = re.compile(r"[+-]?\d+")
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "none": None}


@dataclass(frozen=True, slots=True)
class Spelling:
    """A name, the options written beside it and the backend after `@`, as a person wrote them.

    The backend is a text with options of its own in brackets, in order of their names.
    """

    name: str
    options: Mapping[str, Scalar] = field(default_factory=dict)
    backend: str | None = None

    def __str__(self) -> str:
        written = ",".join(f"{key}={scalar_text(value)}" for key, value in sorted(self.options.items()))
        options = f"[{written}]" if written else ""
        return f"{self.name}{options}" + (f"@{self.backend}" if self.backend else "")


def parse(text: str) -> Spelling:
    """Reads one spelling. Raises HarnessError naming what is wrong in it."""
    match = _SPELLING.fullmatch(text.strip())
    if match is None:
        raise HarnessError(f"wanted name, name[option=value] or name@backend, found {text!r}")
    options = {}
    for part in filter(None, (piece.strip() for piece in (match["options"] or "").split(","))):
        key, equals, value = part.partition("=")
        if not equals or not re.fullmatch(_WORD, key.strip()):
            raise HarnessError(f"wanted option=value between the brackets of {text!r}, found {part!r}")
        options[key.strip()] = parse_scalar(value)
    backend = match["backend"]
    return Spelling(match["name"], options, backend and str(parse(backend)))


def split_list(text: str) -> list[str]:
    """Splits at the commas that stand outside brackets: `lstm[a=1,b=2],gru` → two spellings."""
    return [part.strip() for part in re.split(r",(?![^\[]*\])", text) if part.strip()]


def parse_scalar(text: str) -> Scalar:
    """`true`, `false`, `none`, a whole number, a number, or the text itself."""
    text = text.strip()
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    try:
        return float(text)
    except ValueError:
        return text


def scalar_text(value: Scalar) -> str:
    """The text that `parse_scalar` reads back as `value`."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
