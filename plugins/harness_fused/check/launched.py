"""Which kernels torch.nn launches, one shape for each cell, number format and algorithm that was timed.

Behind all timings: the profiler stays with a process that has used it, and costs most where most is launched.
"""

from dataclasses import replace
from typing import Any

from harness.precision import set_tf32
from harness_fused.check import timing
from harness_fused.check.cudnn import algorithm, kernels_of
from harness_fused.check.place import Place
from harness_fused.check.timing import Item, torchs

STEPS = 32
"""No algorithm depends on the length."""


def items(place: Place) -> list[Item]:
    """The first shape of each kind."""
    found: dict[tuple[str, str, str], Item] = {}
    for item in timing.items(place):
        kind = item.cell, item.dtype, algorithm(item.cell, item.dtype, item.shape)
        found.setdefault(kind, replace(item, shape=replace(item.shape, length=STEPS), route=None, cold=False))
    return list(found.values())


def row(place: Place, item: Item) -> dict[str, Any]:
    """The algorithm that torch asks cuDNN for, and the kernels that took longest forward."""
    set_tf32(item.dtype)
    kernels = [] if place.rehearsal else kernels_of(torchs(place, item).forward)
    return {"cudnn": algorithm(item.cell, item.dtype, item.shape), "kernels": kernels}
