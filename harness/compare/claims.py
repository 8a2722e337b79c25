"""What a comparison says."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.statistics import Estimate

Kind = Literal["speed", "memory", "accuracy"]
FIGURE = {"speed": "speedup", "memory": "ratio", "accuracy": "difference"}
"""What `estimate` is, by kind: time of B over time of A; bytes of B over bytes of A; A's score minus B's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One measure at one shape, or on one task.

    `verdict` is said of A: faster, slower, smaller, larger, better, worse, same, undecided. `estimate.n`: pairs of
    processes, or seeds. `detectable`: the relative difference that would have been found beyond `noise`, the greatest
    one that equals have shown on this machine. `sides`: what A and B took, in `unit`: medians with their intervals.
    `reason`: what keeps the two from being told apart, whatever the figures. `details`: what else a reader may need.
    """

    kind: Kind
    a: str
    b: str
    measure: str
    where: str
    estimate: Estimate
    verdict: str
    sides: tuple[Estimate, Estimate]
    unit: str
    detectable: float = math.nan
    noise: float = 0.0
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """As `--json` prints it; numbers that are not finite become None."""
        found, (ours, theirs) = self.estimate, self.sides
        plain = {
            "kind": self.kind,
            "a": self.a,
            "b": self.b,
            "measure": self.measure,
            "task" if self.kind == "accuracy" else "shape": self.where,
            FIGURE[self.kind]: found.value,
            "interval": [found.low, found.high],
            "verdict": str(self.verdict),
            "reason": self.reason,
            "seeds" if self.kind == "accuracy" else "pairs": found.n,
            "detectable": self.detectable,
            "noise": self.noise,
            f"a_{self.unit}": ours.value,
            f"a_{self.unit}_interval": [ours.low, ours.high],
            f"b_{self.unit}": theirs.value,
            f"b_{self.unit}_interval": [theirs.low, theirs.high],
            **self.details,
        }
        return {name: _finite(value) for name, value in plain.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, list):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
