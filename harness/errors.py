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
        self.message = message
        self.hint = hint
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.message} (hint: {self.hint})" if self.hint else self.message


class Lost(HarnessError):
    """What a run stood on has gone while it ran: nobody's mistake, and what was recorded is kept."""


def unknown(kind: str, name: str, known: Iterable[str]) -> HarnessError:
    """The error for a name nobody gave: names the kind, what is known and the nearest spelling."""
    names = sorted(known)
    nearest = get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]!r}?" if nearest else ""
    article = "an" if kind[0] in "aeiou" else "a"
    return HarnessError(f"wanted {article} {kind} ({', '.join(names) or 'there is none'}), found {name!r}", hint=hint)
