"""When a gate built on a comparison fails: what `--fail-if` asks, and how a claim rules on it."""

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from harness.compare.claims import Claim, Kind
from harness.errors import HarnessError
from harness.statistics import Estimate

Word = Literal["slower", "larger", "worse", "undecided"]
ASKED_OF: dict[Word, Kind] = {"slower": "speed", "larger": "memory", "worse": "accuracy"}
"""`undecided` is asked of all."""


class Ruling(StrEnum):
    """What a claim says to a condition."""

    FAILS = "fails"
    PASSES = "passes"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """`slower:3%`: A takes over 3 % longer; `larger:1%`: over 1 % more bytes; `worse:5%`: A's score, or its steps, are
    worse than B's by over 5 % of B's median, `worse`: by anything; `undecided`: the verdict is.
    """

    word: Word
    fraction: float = 0.0

    def __str__(self) -> str:
        return f"{self.word}:{100 * self.fraction:g}%" if self.fraction else self.word

    def is_asked_of(self, kind: str) -> bool:
        """Whether such claims have anything to say to it."""
        return ASKED_OF.get(self.word, kind) == kind

    def rule(self, claim: Claim) -> Ruling:
        """Fails or passes only where the claim's whole interval says so; what is not finite never passes.

        A difference within the machine's noise fails nothing, and trainings that cannot be compared pass nothing.
        """
        if self.word == "undecided":
            return Ruling.FAILS if claim.verdict == "undecided" else Ruling.PASSES
        if self.word == "slower":
            is_real = claim.estimate.high * (1 + claim.noise) < 1
            return _rule(claim.estimate, 1 / (1 + self.fraction), is_real=is_real)
        return self._of_bytes(claim) if self.word == "larger" else self._of_accuracy(claim)

    def _of_bytes(self, claim: Claim) -> Ruling:
        ours, theirs = (side.value for side in claim.sides)
        if claim.reason or not math.isfinite(ours + theirs):
            return Ruling.UNDECIDED
        return Ruling.FAILS if ours > theirs * (1 + self.fraction) else Ruling.PASSES

    def _of_accuracy(self, claim: Claim) -> Ruling:
        if claim.reason:
            return Ruling.UNDECIDED
        if not self.fraction:
            return {"worse": Ruling.FAILS, "better": Ruling.PASSES}.get(claim.verdict, Ruling.UNDECIDED)
        ahead = claim.estimate if claim.details["better"] == "higher" else _turned(claim.estimate)
        allowed = -self.fraction * abs(claim.sides[1].value)
        return _rule(ahead, allowed, is_real=claim.verdict == "worse")


def parse_condition(text: str) -> Condition:
    """Reads what `--fail-if` was given. Raises HarnessError for anything else."""
    found = re.fullmatch(r"(?:(slower|larger|worse):(\d+(?:\.\d+)?)%)|(worse|undecided)", text.strip())
    if found is None:
        wanted = "slower:P%, larger:P%, worse, worse:P% or undecided"
        raise HarnessError(f"wanted {wanted}, found {text!r}", hint="--fail-if slower:3%")
    words: dict[str, Word] = {"slower": "slower", "larger": "larger", "worse": "worse", "undecided": "undecided"}
    return Condition(word=words[found[1] or found[3]], fraction=float(found[2] or 0) / 100)


def _rule(found: Estimate, allowed: float, *, is_real: bool) -> Ruling:
    """Passes where the whole interval is `allowed` or more; fails where it is less, and the difference is real."""
    if not all(map(math.isfinite, (found.low, found.high, allowed))):
        return Ruling.UNDECIDED
    if found.low >= allowed:
        return Ruling.PASSES
    return Ruling.FAILS if is_real and found.high < allowed else Ruling.UNDECIDED


def _turned(found: Estimate) -> Estimate:
    return replace(found, value=-found.value, low=-found.high, high=-found.low)
