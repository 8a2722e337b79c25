"""What the kit found, for a terminal, a Markdown page and a program."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from harness.kit.result import Outcome, Result

SCHEMA = 1
SIGNS = {
    Outcome.PASSED: "✓",
    Outcome.FAILED: "✗",
    Outcome.SKIPPED: "·",
    Outcome.EXPECTED: "✗",
    Outcome.UNEXPECTED: "!",
}


def summary(results: Sequence[Result]) -> str:
    """`lstm@numpy: 27 of 28 checks passed, 1 failed`; what was skipped or warned of is counted too."""
    counts = Counter(result.outcome for result in results)
    warned = sum(result.outcome == Outcome.FAILED and not result.is_bad for result in results)
    parts = [f"{counts[Outcome.PASSED]} of {len(results)} checks passed"]
    bad = sum(result.is_bad for result in results)
    told = ((bad, "failed"), (warned, "warned of"), (counts[Outcome.EXPECTED], "failed as expected"))
    parts += [f"{n} {words}" for n, words in told if n]
    parts += [f"{counts[Outcome.SKIPPED]} not checked"] if counts[Outcome.SKIPPED] else []
    return f"{results[0].subject}: {', '.join(parts)}"


def lines(results: Sequence[Result], *, every: bool = False) -> list[str]:
    """A line a check and, under it, what is known of its failure; those that passed only with `every`."""
    told = []
    for result in results:
        pointless = result.outcome == Outcome.SKIPPED and not result.detail  # what failed before says why
        if (result.outcome == Outcome.PASSED or pointless) and not every:
            continue
        kind = "" if result.outcome == Outcome.PASSED else f" ({_kind(result)})"
        told.append(f"{SIGNS[result.outcome]} {result.check}{kind}")
        told += [f"    {part}" for part in _details(result)]
    return [*told, summary(results)]


def as_markdown(results: Sequence[Result]) -> str:
    """A table of all checks."""
    rows = ["| check | version | result | smallest shape | found | hint |", "|---|---|---|---|---|---|"]
    for r in results:
        cells = (r.check, str(r.version), _kind(r), r.where, r.detail, r.hint)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return f"## {results[0].subject}\n\n" + "\n".join(rows) + f"\n\n{summary(results)}.\n"


def as_plain(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Plain data, one object a check."""
    names = ("subject", "check", "version", "severity", "outcome", "where", "detail", "hint")
    return [{name: _plain(getattr(result, name)) for name in names} for result in results]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, str) else value


def _kind(result: Result) -> str:
    warned = result.outcome == Outcome.FAILED and result.severity == "warning"
    return "warning" if warned else str(result.outcome)


def _details(result: Result) -> list[str]:
    found = [f"at {result.where}: {result.detail}" if result.where and result.detail else result.detail or result.where]
    hint = "reason" if result.outcome == Outcome.EXPECTED else "likely cause"
    return [*filter(None, found), *([f"{hint}: {result.hint}"] if result.hint else [])]
