"""One pair at two revisions of this repository: the working tree against a commit, in the same environment.

Every worker is a fresh interpreter with one revision's folders on the path (`harness/bench/__main__.py`); the bench
itself is the working tree's, so that a change of the harness's own clock never shows as a change of a cell.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import harness
from harness import seeds, statistics
from harness.compare.claims import Claim
from harness.compare.pairs import WEIGHED, Circumstances, memory_claim
from harness.errors import HarnessError
from harness.executors.stopping import Stopping
from harness.isolation.client import environment
from harness.locks import exclusive_timing
from harness.measures.conditions import Conditions, quiet_cores
from harness.measures.referee import MODES, Played, log_ratios, play
from harness.measures.workers import Worker, executed
from harness.settings import LayerShape
from harness.spelling import Spelling
from harness.verdict import MARGIN, judge

TREE = Path(harness.__file__).resolve().parent.parent
BENCH = TREE / "harness" / "bench"
FOLDERS = ("", "plugins", "tasks")
"""What of a working tree stands on the path."""
MOST_PADDING = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meeting:
    """A pair at two revisions and one shape: the names of the sides, their trees, and what both are asked."""

    names: tuple[str, str]
    trees: tuple[Path, Path]
    shape: LayerShape
    request: Mapping[str, Any]

    def worker(self, side: int, serve: str, *, core: int | None = None, padding: int = 0) -> Worker:
        """A fresh interpreter of one side."""
        request = {**self.request, "serve": serve, "core": core, "tree": str(self.trees[side])}
        variables = _environment(self.trees[side], self.request["threads"], padding)
        return executed(self.names[side], [sys.executable, str(BENCH)], variables, request)


def compare_revisions(pair: Spelling, base: str, circumstances: Circumstances, stopping: Stopping) -> Iterator[Claim]:
    """Claims about the working tree beside `base`, shape by shape.

    Raises HarnessError outside a repository, for an unknown revision, and where a revision cannot build the pair.
    """
    with _worktree(base) as tree:
        for shape in circumstances.shapes:
            if stopping.draining:
                raise KeyboardInterrupt
            request = {
                "pair": str(pair),
                "shape": asdict(shape),
                "device": circumstances.device,
                "dtype": circumstances.dtype,
                "threads": circumstances.threads,
            }
            meeting = _Meeting(names=(str(pair), f"{pair} at {base}"), trees=(TREE, tree), shape=shape, request=request)
            if "speed" in circumstances.measures:
                yield from _times(meeting, circumstances)
            if "memory" in circumstances.measures:
                yield from _weights(meeting)


def _times(meeting: _Meeting, circumstances: Circumstances) -> Iterator[Claim]:
    entropy = int.from_bytes(os.urandom(6), "little")
    with exclusive_timing():
        before, cores = Conditions.now(), quiet_cores()

        def start(number: int, side: int) -> Worker:
            core = cores[(entropy + number) % len(cores)] if cores and circumstances.threads == 1 else None
            padding = int(seeds.stream(entropy, "padding", number, side).integers(MOST_PADDING))
            return meeting.worker(side, "stopwatch", core=core, padding=padding)

        played = play(start, 2, circumstances.timing, entropy=entropy)
        disturbance = Conditions.now().since(before)
    for mode in MODES:
        yield _claim(meeting, mode, played, MARGIN[circumstances.device], disturbance.reason)


def _weights(meeting: _Meeting) -> Iterator[Claim]:
    found = []
    for side in range(2):
        with meeting.worker(side, "balance") as worker:
            found.append(worker.ask("weigh"))
    if found[0] is None or found[1] is None:
        raise HarnessError("wanted memray to weigh a step on the CPU, found none", hint="--measures speed")
    for measure, name in WEIGHED.items():
        sides = (float(found[0][name]), float(found[1][name]))
        yield memory_claim(meeting.names, measure, str(meeting.shape), sides)


def _claim(meeting: _Meeting, mode: str, played: Played, margin: float, disturbed: str) -> Claim:
    ratios = log_ratios(played.samples[mode])
    estimate = statistics.ratio(ratios)
    first, (ours, theirs) = np.median(played.first, axis=0), np.median(played.samples[mode], axis=(0, 2))
    return Claim(
        kind="speed",
        a=meeting.names[0],
        b=meeting.names[1],
        measure=mode,
        where=str(meeting.shape),
        estimate=estimate,
        verdict=judge(estimate, margin),
        sides=(float(ours), float(theirs)),
        unit="seconds",
        detectable=statistics.detectable(ratios),
        details={
            "rounds": played.schedule.rounds,
            "a_first_seconds": float(first[0]),
            "b_first_seconds": float(first[1]),
            "disturbed": disturbed,
            "steady": played.steady,
        },
    )


def _environment(tree: Path, threads: int, padding: int) -> dict[str, str]:
    """A revision's folders on the path; a variable of random size moves the stack (Mytkowicz et al. 2009)."""
    path = ":".join(str(tree / name) for name in FOLDERS)
    return environment(threads) | {"PYTHONPATH": path, "HARNESS_PADDING": "x" * padding}


@contextmanager
def _worktree(base: str) -> Iterator[Path]:
    """A folder with the commit `base` checked out, removed afterwards."""
    if not (TREE / ".git").exists():
        raise HarnessError(
            f"wanted the harness to run from its repository, found none at {TREE}", hint="pip install -e ."
        )
    with tempfile.TemporaryDirectory(prefix="harness-") as scratch:
        tree = Path(scratch).resolve() / "base"
        _git("worktree", "add", "--quiet", "--detach", str(tree), f"{base}^{{commit}}")
        try:
            yield tree
        finally:
            _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> None:
    done = subprocess.run(["git", "-C", str(TREE), *arguments], capture_output=True, text=True)
    if done.returncode:
        raise HarnessError(f"git {arguments[0]} {arguments[1]} failed: {done.stderr.strip()}")
