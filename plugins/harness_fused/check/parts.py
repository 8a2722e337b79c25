"""The parts, and what the process of one does: its items in order, a line of JSON for each."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from harness.errors import HarnessError
from harness_fused.check import ahead, facts, gate, small, timing
from harness_fused.check.place import ROUTES, Place, place_of

Tool = Literal["", "memcheck", "racecheck", "synccheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`stage`: parts of one stage run at the same time, stages one after the other, each for so many `seconds` at most.
    `stall`: seconds without a new row after which its process counts as hanging. `tool`: of compute-sanitizer.
    """

    name: str
    stage: int
    seconds: float
    stall: float
    items: Callable[[Place], Sequence[Any]]
    row: Callable[[Place, Any], dict[str, Any]]
    tool: Tool = ""


PARTS: tuple[Part, ...] = (
    Part(name="facts", stage=0, seconds=30, stall=30, items=facts.items, row=facts.row),
    Part(name="compile", stage=1, seconds=120, stall=110, items=ahead.items, row=ahead.row),
    *(
        Part(
            name=f"gate.{route}",
            stage=2,
            seconds=110,
            stall=60,
            items=partial(gate.items, route=route),
            row=gate.row,
        )
        for route in ROUTES
    ),
    *(
        Part(name=tool, stage=3, seconds=55, stall=40, items=small.items, row=small.row, tool=tool)
        for tool in ("memcheck", "racecheck", "synccheck")
    ),
    Part(name="timing", stage=4, seconds=400, stall=60, items=timing.items, row=timing.row),
)
"""Correctness before speed; timings alone on the machine, and with all the time that the others have left."""


def play(name: str, first: int, rehearse: bool, seconds: float) -> None:
    """Prints the rows of a part from its item number `first` on, until the time is up; what raises ends the process."""
    until = time.monotonic() + seconds
    part = next(part for part in PARTS if part.name == name)
    place = place_of(rehearse)
    items = part.items(place)
    _say({"items": len(items)})
    for number, item in enumerate(items):
        if number < first:
            continue
        if time.monotonic() > until:
            break
        _say({"began": number, "item": _told(item)})
        began = time.monotonic()
        try:
            found = part.row(place, item)
        except HarnessError as reason:
            found = {"refused": str(reason)}
        _say({"number": number, "item": _told(item), **found, "seconds": round(time.monotonic() - began, 3)})


def _told(item: Any) -> str:
    if isinstance(item, list):
        return f"{len(item)} texts"
    return " ".join(item) if isinstance(item, tuple) else str(item)


def _say(row: dict[str, Any]) -> None:
    print(json.dumps(row, allow_nan=False), flush=True)  # noqa: T201 -- read by command.py
