"""What a comparison says, and whether a gate built on it fails."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.errors import HarnessError
from harness.statistics import Estimate

Kind = Literal["speed", "memory", "accuracy"]
FIGURE = {"speed": "speedup", "memory": "ratio", "accuracy": "difference"}
"""What `estimate` is, by kind: time of B over time of A; bytes of B over bytes of A; A's score minus B's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One measure at one shape, or on one task.

    `verdict` is said of A: faster, slower, smaller, larger, better, worse, same, undecided. `estimate.n`: pairs of
    processes, or seeds. `detectable`: the relative difference that would have been found. `sides`: what A and B took,
    in `unit`. `details`: whatever else a reader may need.
    """

    kind: Kind
    a: str
    b: str
    measure: str
    where: str
    estimate: Estimate
    verdict: str
    sides: tuple[float, float]
    unit: str
    detectable: float = math.nan
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """As `--json` prints it; numbers that are not finite become None."""
        found = self.estimate
        plain = {
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
            "measure": self.measure,
            "task" if self.kind == "accuracy" else "shape": self.where,
            FIGURE[self.kind]: found.value,
            "interval": [found.low, found.high],
            "verdict": str(self.verdict),
            "seeds" if self.kind == "accuracy" else "pairs": found.n,
            "detectable": self.detectable,
            f"a_{self.unit}": self.sides[0],
            f"b_{self.unit}": self.sides[1],
            **self.details,
        }
        return {name: _finite(value) for name, value in plain.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """When a comparison fails: `slower:3%` (A takes over 3 % longer, whole interval), `larger:1%` or `undecided`."""

    kind: Literal["slower", "larger", "undecided"]
    fraction: float = 0.0

    def __str__(self) -> str:
        return self.kind if self.kind == "undecided" else f"{self.kind}:{100 * self.fraction:g}%"

    def fails(self, claim: Claim) -> bool:
        """Whether this claim breaks it. Raises nothing: what it does not speak of passes."""
        if self.kind == "undecided":
            return claim.verdict == "undecided"
        wanted = "speed" if self.kind == "slower" else "memory"
        return claim.kind == wanted and claim.estimate.high < 1 / (1 + self.fraction)


def parse_condition(text: str) -> Condition:
    """Reads `slower:3%`, `larger:1%` or `undecided`. Raises HarnessError for anything else."""
    found = re.fullmatch(r"(slower|larger):(\d+(?:\.\d+)?)%|(undecided)", text.strip())
    if found is None:
        raise HarnessError(f"wanted slower:P%, larger:P% or undecided, found {text!r}", hint="--fail-if slower:3%")
    if found[3]:
        return Condition(kind="undecided")
    kind: Literal["slower", "larger"] = "slower" if found[1] == "slower" else "larger"
    return Condition(kind=kind, fraction=float(found[2]) / 100)


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
