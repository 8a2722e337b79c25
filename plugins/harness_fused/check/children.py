"""The processes of a stage: started, listened to, ended when they hang, and begun again behind what ended them."""

import os
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from harness import canonical
from harness_fused.check.parts import Part
from harness_fused.cuda.presence import UNCACHED

SANITIZER = "compute-sanitizer"
PLACES = ("/usr/local/cuda/bin", "/usr/local/cuda/compute-sanitizer")

GRACE = 5.0
"""Seconds that a part has to end by itself when its time is up, and a process once it has been killed."""

HANGS, TIME_IS_UP = "no answer: it hangs", "the time is up"

Row = dict[str, Any]


@dataclass(slots=True)
class Child:
    """A part's process. `doing`: the item it has begun and not ended; `ended`: what it was ended for; `summary`: what
    compute-sanitizer says last.
    """

    part: Part
    process: subprocess.Popen[str]
    heard: float
    doing: Row | None = None
    items: int = 0
    ended: str = ""
    summary: str = ""
    tail: list[str] = field(default_factory=list)


def sanitizer() -> str | None:
    """compute-sanitizer's path, or None."""
    return shutil.which(SANITIZER, path=os.pathsep.join([os.environ.get("PATH", ""), *PLACES]))


def rows_of(parts: list[Part], seconds: float, rehearse: bool, log: IO[str]) -> Iterator[Row]:
    """The rows of parts that run at the same time, as they come, until all have ended or the time is up.

    An item that ended its process, or hung, is a row too: `failed` says how. What else is printed goes to the log.
    """
    until = time.monotonic() + seconds
    lines: queue.Queue[tuple[Child, str | None]] = queue.Queue()
    alive = [_start(part, 0, until, rehearse, lines) for part in parts]
    try:
        while alive:
            now = time.monotonic()
            try:
                child, line = lines.get(timeout=0.5)
            except queue.Empty:
                child, line = None, ""
            if child and line:
                yield from _heard(child, line, log)
            elif child in alive:
                alive.remove(child)
                yield from _ended(child)
                if again := _again(child, until, rehearse, lines):
                    alive.append(again)
            for child in alive:
                if not child.ended and (now - child.heard > child.part.stall or now > until + GRACE):
                    _end(child.process)
                    child.ended, child.heard = HANGS if now < until else TIME_IS_UP, now
                elif child.ended and now - child.heard > GRACE:
                    lines.put((child, None))  # stuck in the driver, or it left somebody behind who holds its pipe
    finally:
        for child in alive:
            _end(child.process)


def _start(part: Part, first: int, until: float, rehearse: bool, lines: queue.Queue[Any]) -> Child:
    seconds = max(1.0, until - time.monotonic())
    process = subprocess.Popen(
        command(part, first, seconds, rehearse),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **_environment(part)},
        start_new_session=True,
    )
    child = Child(part=part, process=process, heard=time.monotonic())

    def listen() -> None:
        with process:  # closes its end of the pipe, and waits
            for line in process.stdout or ():
                lines.put((child, line))
        lines.put((child, None))

    threading.Thread(target=listen, daemon=True).start()
    return child


def command(part: Part, first: int, seconds: float, rehearse: bool) -> list[str]:
    """What runs a part from its item number `first` on."""
    own = ["-m", "harness.gpu_check", "--part", part.name, "--first", str(first), "--seconds", str(seconds)]
    tool = [sanitizer() or SANITIZER, "--tool", part.tool, "--print-limit", "20"] if part.tool and not rehearse else []
    return [*tool, sys.executable, *own, *(["--rehearse"] if rehearse else [])]


def _environment(part: Part) -> Mapping[str, str]:
    """The same modules as here. memcheck sees an array's end only where each array is an allocation of its own."""
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    return path | ({UNCACHED: "1"} if part.tool == "memcheck" else {})


def _heard(child: Child, line: str, log: IO[str]) -> Iterator[Row]:
    if not child.ended:
        child.heard = time.monotonic()
    try:
        row = canonical.loads(line) if line.startswith("{") else None
    except ValueError:
        row = None
    if row is None:
        log.write(f"{child.part.name}: {line}")
        child.tail = [*child.tail[-20:], line.strip()]
        if "SUMMARY" in line:
            child.summary = line.strip("= \n")
    elif "items" in row:
        child.items = row["items"]
    elif "began" in row:
        child.doing = row
    else:
        child.doing = None
        yield {"part": child.part.name, "of": child.items, **row}


def _ended(child: Child) -> Iterator[Row]:
    """A row for the item during which a process ended, and one with what the sanitizer found."""
    told = child.ended or next((line for line in reversed(child.tail) if line), f"exit {child.process.returncode}")
    why = {"left_out" if child.ended == TIME_IS_UP else "failed": told[:300]}
    if child.doing:
        doing = {"number": child.doing["began"], "item": child.doing["item"]}
        yield {"part": child.part.name, "of": child.items, **doing, **why}
    elif not child.items:
        yield {"part": child.part.name, "of": 0, **why}
    if child.summary:
        yield {"part": child.part.name, "of": child.items, "summary": child.summary}


def _again(child: Child, until: float, rehearse: bool, lines: queue.Queue[Any]) -> Child | None:
    """The part from the item behind the one that ended its process, if there is one and time for it."""
    if child.doing is None or time.monotonic() > until or child.doing["began"] + 1 >= child.items:
        return None
    return _start(child.part, child.doing["began"] + 1, until, rehearse, lines)


def _end(process: subprocess.Popen[str]) -> None:
    """Ends it and what it started."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
