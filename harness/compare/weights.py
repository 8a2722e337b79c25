"""What two sides weigh, as claims: bytes are counted, and the marks that say how far the count goes come along."""

import math
from collections.abc import Iterator

from harness.bench.weight import Weight
from harness.compare.claims import Claim
from harness.report.wording import size
from harness.statistics import Estimate

WEIGHED = {
    "train peak": "train_peak_bytes",
    "forward peak": "forward_peak_bytes",
    "kept for backward": "activation_bytes",
}


def memory_claims(names: tuple[str, str], where: str, weights: tuple[Weight, Weight]) -> Iterator[Claim]:
    """A claim a figure about A beside B. Bytes are counted, not sampled: the interval is the value.

    Undecided, with the reason, where a side hides memory from the count, and where weighings of a side disagree by as
    much as the two differ. `details`: both sides' marks, `marks` in words.
    """
    marks = [*_marks(names[0], weights[0]), *_marks(names[1], weights[1])]
    details = {
        f"{side}_{name}": value
        for side, weight in zip("ab", weights, strict=True)
        for name, value in weight.noted().items()
    }
    for measure, name in WEIGHED.items():
        ours, theirs = (int(getattr(weight, name)) for weight in weights)
        reason = _reason(names, weights, abs(ours - theirs))
        yield Claim(
            kind="memory",
            a=names[0],
            b=names[1],
            measure=measure,
            where=where,
            estimate=_counted(theirs / ours if ours else math.nan),
            verdict="undecided" if reason else _verdict(ours, theirs),
            sides=(_counted(ours), _counted(theirs)),
            unit="bytes",
            reason=reason,
            details={**details, "marks": marks},
        )


def _verdict(ours: int, theirs: int) -> str:
    return "same" if ours == theirs else "smaller" if ours < theirs else "larger"


def _reason(names: tuple[str, str], weights: tuple[Weight, Weight], apart: int) -> str:
    """Why counts so far apart do not say who is smaller; "" where they do."""
    for name, weight in zip(names, weights, strict=True):
        if weight.hides:
            return f"the count does not see all that {name} takes"
        if not weight.repeatable and apart <= weight.spread_bytes:
            return f"weighings of {name} differ by {size(weight.spread_bytes)}"
    return ""


def _marks(name: str, weight: Weight) -> Iterator[str]:
    """What is to be known of a side's figures, in words."""
    if weight.hides:
        yield f"the system gave {name} {size(weight.unseen_bytes)} more than was counted"
    if math.isnan(weight.unseen_bytes):
        yield f"the system does not say whether {name} took more than was counted"
    if weight.hoards:
        yield f"{name} keeps {size(weight.held_bytes)} from call to call"
    if not weight.repeatable:
        yield f"no two weighings of {name} agreed, the least one is shown"


def _counted(value: float) -> Estimate:
    return Estimate(value=value, low=value, high=value, n=1)
