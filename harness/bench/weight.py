"""What a step weighs, and how much of that is to be believed: plain data, the same for every revision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

LEAST_BYTES, LEAST_SHARE = 4 << 20, 0.05
"""What is not seen counts from 4 MiB and 5 % of the peak on: below that, pages and the C library's own rounding."""
COUNTED = ("train_peak_bytes", "forward_peak_bytes", "activation_bytes")
"""What the allocator counted; the rest of a weight says how far that goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """Peaks of a train step and of a forward pass, and what is alive between forward and backward: the least of several
    weighings each.

    `spread_bytes`: by how much one of them differed most. `repeatable`: the least came out at least twice, everywhere.
    `unseen_bytes`: what the system gave beyond the count, NaN where it does not say. `held_bytes`: what of the count
    the layer keeps from call to call beside weights, inputs and cotangents.
    """

    train_peak_bytes: int
    forward_peak_bytes: int
    activation_bytes: int
    spread_bytes: int
    repeatable: bool
    unseen_bytes: float
    held_bytes: float

    @property
    def hides(self) -> bool:
        """Whether the count misses something worth a mark."""
        return self.unseen_bytes > worth_a_mark(self.train_peak_bytes)

    @property
    def hoards(self) -> bool:
        """Whether the layer keeps something between calls that is worth a sentence."""
        return self.held_bytes > worth_a_mark(self.train_peak_bytes)

    def noted(self) -> dict[str, Any]:
        """What is said beside the counts, by name."""
        plain = {name: value for name, value in asdict(self).items() if name not in COUNTED}
        return plain | {"hides": self.hides, "hoards": self.hoards}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Weight":
        """From a mapping that has every field, and maybe more. Raises KeyError where one is missing."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})


def worth_a_mark(peak: int) -> float:
    """From how many bytes on a difference means something, beside a train step's peak."""
    return LEAST_BYTES + LEAST_SHARE * peak
