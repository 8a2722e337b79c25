"""What the kit found: one result a check, as a value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from harness.errors import HarnessError

Severity = Literal["error", "warning"]


class Outcome(StrEnum):
    """How a check ended; whether it was said beforehand that it would fail."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPECTED = "expected failure"
    UNEXPECTED = "passed, though expected to fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One check of one subject, `lstm@numpy` or a task.

    `where`: the smallest shape that fails; `detail`: the worst element, or what was found instead; `hint`: the likely
    cause, if trying it out named one.
    """

    subject: str
    check: str
    version: int
    severity: Severity
    outcome: Outcome
    where: str = ""
    detail: str = ""
    hint: str = ""

    @property
    def is_bad(self) -> bool:
        """Whether it makes the whole fail; a warning never does."""
        return self.severity == "error" and self.outcome in (Outcome.FAILED, Outcome.UNEXPECTED)


def expecting(results: Iterable[Result], expected: Mapping[str, str]) -> list[Result]:
    """The results, those that were expected to fail marked with their reason; such a check that passes is a failure.

    Raises HarnessError for a name that is no check of these.
    """
    found = list(results)
    names = {result.check for result in found}
    if unknown := [name for name in expected if name not in names]:
        raise HarnessError(f"wanted names of checks to be expected to fail, found {unknown[0]!r}", hint=listed(names))
    return [_expected(result, expected[result.check]) if result.check in expected else result for result in found]


def listed(names: Iterable[str]) -> str:
    """The names, for a hint."""
    return "the checks are: " + ", ".join(sorted(names))


def _expected(result: Result, reason: str) -> Result:
    if result.outcome == Outcome.FAILED:
        return replace(result, outcome=Outcome.EXPECTED, hint=reason)
    if result.outcome == Outcome.PASSED:
        return replace(result, outcome=Outcome.UNEXPECTED, severity="error", detail=f"expected to fail: {reason}")
    return result
