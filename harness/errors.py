"""Errors in the words of the person who can mend them: what was wanted, what was found, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class HarnessError(Exception):
    """A mistake that its reader can mend. Shown as one line, never with a traceback of the harness's own.

    `message` says what was wanted and what was found; `hint` says what to do; `detail` is what somebody else's code
    printed before it failed, a plugin's traceback above all.
    """

    def __init__(self, message: str, *, hint: str = "", detail: str = "") -> None:
        super().__init__(message)
        self.message = visible(message)
        self.hint = visible(hint)
        self.detail = visible(detail)

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message


class Lost(HarnessError):
    """What a run stood on has gone while it ran: nobody's mistake, and what was recorded is kept."""


def visible(text: str) -> str:
    """The text with every sign that no reader sees written out: what steers a terminal, turns the order of signs, or is
    half of one. Lines, tabs and blanks stay.
    """
    if text.isprintable():
        return text
    return "".join(s if s.isprintable() or s in "\n\t\u00a0" else s.encode("unicode_escape").decode() for s in text)


def in_a_line(error: BaseException) -> str:
    """The type of somebody's error and the first line of its message, which may be none, or raise in its turn."""
    name = type(error).__name__
    try:
        lines = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 -- an error that is one even when it is told
        return f"{name}: its message raises"
    return visible(f"{name}: {lines[0] if lines else 'no message'}")


def unknown(kind: str, name: str, known: Iterable[str]) -> HarnessError:
    """The error for a name nobody gave: names the kind, what is known and the nearest spelling."""
    names = sorted(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else ""
    article = "an" if kind[0] in "aeiou" else "a"
    return HarnessError(f"wanted {article} {kind} ({', '.join(names) or 'there is none'}), found {name!r}", hint=hint)
