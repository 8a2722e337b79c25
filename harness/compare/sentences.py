"""What a comparison found, as a sentence."""

import math

from harness.compare.claims import Claim
from harness.report.wording import bracketed, count, duration, number, size

DOES = {"train": "a train step", "forward": "a forward pass"}


def sentence(claim: Claim) -> str:
    """The verdict first, then the figure with its interval, then what it rests on."""
    return {"speed": _speed, "memory": _memory, "accuracy": _accuracy}[claim.kind](claim)


def _speed(claim: Claim) -> str:
    found, (ours, theirs) = claim.estimate, claim.sides
    work, _, cold = claim.measure.partition(" ")
    what = DOES.get(work, work) + (" from cold caches" if cold else "")
    finds = f", finds {number(100 * claim.detectable, 2)} %" if math.isfinite(claim.detectable) else ""
    told = (
        f"{claim.verdict:<9} {what}: {claim.a} {duration(ours)}, {claim.b} {duration(theirs)}; "
        f"speed-up {bracketed(found.value, found.low, found.high, '×')} "
        f"({claim.where}; n = {count(found.n)} pairs of processes, 95 %{finds})"
    )
    notes = [str(claim.details.get("disturbed") or "")]
    notes += ["" if claim.details.get("steady", True) else "a side did not become steady in its warm-up"]
    return told + "".join(f"; {note}" for note in notes if note) + _unlike(claim)


def _unlike(claim: Claim) -> str:
    """Sides that compute different things may be compared; what the comparison means is the reader's to say."""
    differs = claim.details.get("differs")
    return f"; the two compute different things: {differs}" if differs else ""


def _memory(claim: Claim) -> str:
    ours, theirs = claim.sides
    apart = claim.verdict != "same" and math.isfinite(claim.estimate.value)
    ratio = f"; {claim.b} takes {number(claim.estimate.value)} times as much" if apart else ""
    sides = f"{claim.a} {size(ours)}, {claim.b} {size(theirs)}"
    return f"{claim.verdict:<9} {claim.measure}: {sides}{ratio} ({claim.where})" + _unlike(claim)


def _accuracy(claim: Claim) -> str:
    found, (ours, theirs) = claim.estimate, claim.sides
    told = (
        f"{claim.verdict:<9} {claim.where}, {claim.measure}: "
        f"{claim.a} {number(ours)}, {claim.b} {number(theirs)} (medians); "
        f"paired difference {bracketed(found.value, found.low, found.high)} (n = {count(found.n)} seeds, 95 %"
    )
    p = claim.details.get("p")
    return told + (f", sign-flip p = {number(p, 2)})" if p is not None else ")")
