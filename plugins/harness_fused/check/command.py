"""The command line of `python -m harness.gpu_check`, and its budget of time."""

import argparse
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from harness import canonical
from harness_fused.check import table
from harness_fused.check.children import rows_of, sanitizer
from harness_fused.check.parts import PARTS, Part, play
from harness_fused.cuda import presence

SECONDS = 460.0
"""For everything: under eight minutes with what it takes to start and to stop."""


def main() -> None:
    """Runs the check, or one part of it for the check's own processes. Exits with 0 if nothing failed, else with 1."""
    parser = argparse.ArgumentParser(prog="python -m harness.gpu_check", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="no GPU: tiny shapes, in the emulation on the CPU")
    parser.add_argument(
        "--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-check"), help="folder of results"
    )
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything (default %(default)g)")
    parser.add_argument("--only", default="", help="parts whose names begin so, by commas: gate,timing")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        play(given.part, given.first, given.rehearse, given.seconds)
        return
    if not given.rehearse and (reason := presence.why_not()):
        raise SystemExit(f"nothing to check: {reason}\nhint: --rehearse runs everything on tiny shapes without a GPU")
    raise SystemExit(int(not check(given.out, given.seconds, given.only, given.rehearse)))


def check(folder: Path, seconds: float, only: str, rehearse: bool) -> bool:
    """Runs all parts, writes results.jsonl as rows come and table.txt at the end; whether nothing failed."""
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with (folder / "results.jsonl").open("w") as results, (folder / "log.txt").open("w") as log:
        for row in _rows(seconds, only, rehearse, log):
            rows.append(row)
            print(canonical.dumps(row), file=results, flush=True)
            print(table.line(row), flush=True)  # noqa: T201 -- a command
            # Whatever happens to this process, what was found so far can be read.
            (folder / "table.txt").write_text(table.text(rows, rehearse), encoding="utf-8")
    print(f"\n{table.text(rows, rehearse)}\n{folder}/results.jsonl, table.txt, log.txt")  # noqa: T201 -- a command
    return not table.failures(rows)


def _rows(seconds: float, only: str, rehearse: bool, log: IO[str]) -> Iterator[dict[str, Any]]:
    until = time.monotonic() + seconds
    for stage in sorted({part.stage for part in PARTS}):
        parts = [part for part in PARTS if part.stage == stage and _is_wanted(part, only, rehearse)]
        left = until - time.monotonic()
        if parts and left > 0:
            began = time.monotonic()
            later = sum(part.seconds for part in PARTS if part.stage > stage and _is_wanted(part, only, rehearse))
            alone = left - later if parts[0].name == "timing" else left
            yield from rows_of(parts, max(1.0, min(alone, parts[0].seconds)), rehearse, log)
            names = " ".join(part.name for part in parts)
            yield {"part": "stage", "item": names, "seconds": round(time.monotonic() - began, 1)}
        elif parts:
            yield {"part": "stage", "item": parts[0].name, "left_out": "the time is up"}


def _is_wanted(part: Part, only: str, rehearse: bool) -> bool:
    if part.tool and not (part.tool == "memcheck" if rehearse else sanitizer()):
        return False
    return part.name.startswith(tuple(only.split(",")))
