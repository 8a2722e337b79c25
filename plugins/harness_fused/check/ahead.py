"""Compiling ahead, on all cores, what the other parts will launch: a compiler takes seconds a text, a GPU none."""

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import Any

from harness.backend import Dtype
from harness.settings import LayerShape
from harness_fused.check import gate, plans, small, timing
from harness_fused.check.place import ROUTES, Place, Routed, cells
from harness_fused.cuda import nvrtc
from harness_fused.cuda.kernels import text
from harness_fused.cuda.plan import alternatives
from harness_fused.cuda.runner import STORED
from harness_fused.tracing import trace

BATCH = 64
"""Texts of an item."""


def items(place: Place) -> list[list[str]]:
    """All texts, the gate's first, each once."""
    found = iter(dict.fromkeys((*_of_gate(place), *_of_small(place), *_of_timing(place), *_of_plans(place))))
    return list(iter(lambda: list(islice(found, BATCH)), []))


def row(place: Place, item: list[str]) -> dict[str, Any]:
    """How many texts there were, what failed, and what most of a thread's registers and spilled bytes came to."""
    architecture = "sm_{}{}".format(*place.machine.facts.capability)
    # Processes, started afresh: the driver does not survive a fork.
    with ProcessPoolExecutor(min(len(item), os.cpu_count() or 1), multiprocessing.get_context("spawn")) as pool:
        asked = [pool.submit(nvrtc.binary, text, architecture) for text in item]
        failed = [str(problem) for future in asked if (problem := future.exception())]
        done = [future.result() for future in asked if not future.exception()]
    usages = [usage for binary in done for usage in binary.usage.values()]
    most = {
        name: max((getattr(usage, name) for usage in usages), default=0) for name in ("registers", "spilled", "shared")
    }
    return {"texts": len(done), "failed": "; ".join(failed[:3]), "architecture": architecture, **most}


def _of_gate(place: Place) -> Iterator[str]:
    for route in ROUTES:
        for item in gate.items(place, route):
            for case in gate.cases(place, item):
                shape = LayerShape(batch=case.B, length=case.T, hidden=case.H, inputs=case.I)
                yield _text(Routed(place, route), item[0], item[1], shape)


def _of_small(place: Place) -> Iterator[str]:
    for cell, dtype, route in small.items(place):
        yield _text(Routed(place, route), cell, dtype, small.SHAPE)


def _of_plans(place: Place) -> Iterator[str]:
    for item, number in plans.items(place):
        recurrence = trace(cells()[item.cell], item.shape.inputs, item.shape.hidden)
        facts = place.machine.facts
        yield text(recurrence, alternatives(recurrence, item.shape, STORED[item.dtype], facts)[number])


def _of_timing(place: Place) -> Iterator[str]:
    for item in timing.items(place):
        yield _text(Routed(place, item.route), item.cell, item.dtype, item.shape)


def _text(routed: Routed, cell: str, dtype: Dtype, shape: LayerShape) -> str:
    recurrence = trace(cells()[cell], shape.inputs, shape.hidden)
    return text(recurrence, routed.choose(recurrence, shape, STORED[dtype], routed.place.machine.facts))
