"""The gate for every cell, number format and route: outputs, gradients and behaviour against the reference."""

from typing import Any

from harness.backend import Dtype
from harness.conformance import examine
from harness.conformance.cases import CASES, PROBE, Case
from harness_fused.check.place import DTYPES, Place, Routed, cells
from harness_fused.cuda.plan import Route

WIDE = (Case(T=5, B=9, I=5, H=193), Case(T=4, B=16, I=3, H=768, spread=2.0))
"""Beside the gate's own: widths that need several blocks, one that fills nothing evenly."""

Item = tuple[str, Dtype, Route]
"""Cell, number format, route."""


def items(place: Place, route: Route) -> list[Item]:
    """All pairs of a route; in a rehearsal one."""
    if place.rehearsal:
        return [("lstm", "bfloat16", route) if route == "grid" else ("rnn", "float32", route)]
    return [(cell, dtype, route) for dtype in DTYPES for cell in cells()]


def cases(place: Place, item: Item) -> tuple[Case, ...]:
    """What a pair is compared on; no block holds the weights of a wide layer. Kernels of both halves are the same but
    for one instruction: the second is compared on few.
    """
    _, dtype, route = item
    if place.rehearsal:
        return (PROBE,) if route == "grid" else (CASES[6],)
    narrow = (PROBE, CASES[-1]) if dtype == "float16" else CASES
    return narrow if route == "block" else (*narrow, *WIDE)


def row(place: Place, item: Item) -> dict[str, Any]:
    """Whether the pair passes, and the worst error in units of what is allowed."""
    cell, dtype, route = item
    report = examine(cells()[cell], Routed(place, route), place.device, dtype, cases(place, item))
    return {"passed": report.passed, "worst": report.worst, "shapes": report.shapes, "reason": report.reason}
