"""The parts, and what the process of one does: its items in order, a line of JSON for each."""

import time
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from harness import canonical
from harness.errors import HarnessError

Tool = Literal["", "memcheck", "racecheck", "synccheck"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`module`: of this package, with the functions `items(place, *options)` and `row(place, item)`.

    `stage`: parts of one stage run at the same time, stages one after the other, each for so many `seconds` at most.
    `stall`: seconds without a new row after which its process counts as hanging. `tool`: of compute-sanitizer.
    """

    name: str
    module: str
    stage: int
    seconds: float
    stall: float
    options: tuple[str, ...] = ()
    tool: Tool = ""


PARTS: tuple[Part, ...] = (
    Part(name="facts", module="facts", stage=0, seconds=90, stall=100),
    Part(name="compile", module="ahead", stage=1, seconds=120, stall=130),
    Part(name="gate.block", module="gate", stage=2, seconds=110, stall=60, options=("block",)),
    Part(name="gate.grid", module="gate", stage=2, seconds=110, stall=60, options=("grid",)),
    Part(name="gate.steps", module="gate", stage=2, seconds=110, stall=60, options=("steps",)),
    Part(name="memcheck", module="small", stage=3, seconds=60, stall=70, tool="memcheck"),
    Part(name="racecheck", module="small", stage=3, seconds=60, stall=70, tool="racecheck"),
    Part(name="synccheck", module="small", stage=3, seconds=60, stall=70, tool="synccheck"),
    Part(name="timing", module="timing", stage=4, seconds=400, stall=60),
    Part(name="plans", module="plans", stage=5, seconds=50, stall=30),
    Part(name="cudnn", module="launched", stage=6, seconds=20, stall=30),
)
"""Correctness before speed; timings alone on the machine, with all the time that the others leave but what the last
parts need. Where a first start may take long (torch from a cold disk, a compiler on few cores, compute-sanitizer), a
part stalls later than its time is up: it then counts as left out, not as hanging.
"""


def play(name: str, first: int, rehearse: bool, seconds: float) -> None:
    """Prints the rows of a part from its item number `first` on, until the time is up; what raises ends the process."""
    until = time.monotonic() + seconds
    part = next(part for part in PARTS if part.name == name)
    module = import_module(f"{__package__}.{part.module}")
    place = import_module(f"{__package__}.place").place_of(rehearse)
    items = module.items(place, *part.options)
    _say({"items": len(items)})
    for number, item in enumerate(items):
        if number < first:
            continue
        if time.monotonic() > until:
            break
        _say({"began": number, "item": _told(item)})
        began = time.monotonic()
        try:
            found = module.row(place, item)
        except HarnessError as reason:
            found = {"refused": str(reason)}
        _say({"number": number, "item": _told(item), **found, "seconds": round(time.monotonic() - began, 3)})


def _told(item: Any) -> str:
    if isinstance(item, list):
        return f"{len(item)} texts"
    return " ".join(map(str, item)) if isinstance(item, tuple) else str(item)


def _say(row: dict[str, Any]) -> None:
    print(canonical.dumps(row), flush=True)  # noqa: T201 -- read by children.py; a wrong kernel's error is no number
