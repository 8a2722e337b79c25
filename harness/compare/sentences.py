"""What a comparison found, as a sentence."""

import math
from collections.abc import Mapping
from typing import Any

from harness.compare.claims import Claim
from harness.report.wording import bracketed, count, duration, durations, listing, number, size, spread

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
        f"{claim.verdict:<9} {what}: {claim.a} {durations(ours)}, {claim.b} {durations(theirs)}; "
        f"speed-up {bracketed(found.value, found.low, found.high, '×')} "
        f"({claim.where}; n = {count(found.n)} pairs of processes, 95 %{finds}, {claim.details['clock']})"
    )
    notes = [_first_calls(claim) if claim.measure == "train" else "", _within_noise(claim), *claim.details["notes"]]
    return told + "".join(f"; {note}" for note in notes if note) + _unlike(claim)


def _first_calls(claim: Claim) -> str:
    """What a fresh process waits before its first train step is done."""
    ours, theirs = (duration(claim.details[f"{side}_first_seconds"]) for side in "ab")
    return f"a first call takes {claim.a} {ours}, {claim.b} {theirs}"


def _within_noise(claim: Claim) -> str:
    """Says so where the interval excludes 1, and this machine's noise forbids to call it a difference."""
    if claim.verdict != "undecided" or not claim.estimate.excludes(1.0):
        return ""
    return f"within the noise of this machine, {number(100 * claim.noise, 2)} %"


def _unlike(claim: Claim) -> str:
    """Sides that compute different things may be compared; what the comparison means is the reader's to say."""
    differs = claim.details.get("differs")
    return f"; the two compute different things: {differs}" if differs else ""


def _memory(claim: Claim) -> str:
    ours, theirs = (side.value for side in claim.sides)
    apart = claim.verdict in ("smaller", "larger") and math.isfinite(claim.estimate.value)
    ratio = f"; {claim.b} takes {number(claim.estimate.value)} times as much" if apart else ""
    sides = f"{claim.a} {size(ours)}, {claim.b} {size(theirs)}"
    told = f"{claim.verdict:<9} {claim.measure}: {sides}{ratio} ({claim.where})"
    return told + "".join(f"; {note}" for note in (claim.reason, *claim.details["marks"]) if note) + _unlike(claim)


def _accuracy(claim: Claim) -> str:
    found, details = claim.estimate, claim.details
    sides = ", ".join(
        f"{name} {spread(side.value, side.low, side.high)} ({_seeds(details, which)})"
        for name, side, which in zip((claim.a, claim.b), claim.sides, "ab", strict=True)
    )
    budget = f" (at most {count(details['budget'])})" if "budget" in details else ""
    told = (
        f"{claim.verdict:<9} {claim.where} ({details['setting']}), {claim.measure}{budget}: {sides}, medians; "
        f"paired difference {bracketed(found.value, found.low, found.high)} "
        f"(n = {count(found.n)} seeds, 95 %, sign-flip p = {number(details['p'], 2)})"
    )
    machines = details["machines"]
    notes = [claim.reason, _bounded(details.get("bounded", 0))]
    if len(machines) > 1:
        made = listing(f"{n} of {machine}" for machine, n in machines.items())
        notes.append(f"trainings of {len(machines)} machines stand together: {made}")
    return told + "".join(f"; {note}" for note in notes if note)


def _bounded(scores: int) -> str:
    return f"scores worse than the baseline count as the baseline: {scores}" if scores else ""


def _seeds(details: Mapping[str, Any], side: str) -> str:
    """`6/6 seeds, 2 diverged`."""
    diverged = details[f"{side}_diverged"]
    told = f"{details[f'{side}_seeds']}/{details[f'{side}_planned']} seeds"
    return f"{told}, {diverged} diverged" if diverged else told
