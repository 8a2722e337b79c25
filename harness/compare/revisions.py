"""One pair at two revisions of this repository: the working tree against a commit, in the same environment.

Every worker is a fresh interpreter with one revision's folders on the path (`harness/bench/__main__.py`); the bench
itself is the working tree's, so that a change of the harness's own clock never shows as a change of a cell.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import harness
from harness import seeds, statistics
from harness.bench.weight import Weight
from harness.compare.checkout import checkout
from harness.compare.claims import Claim
from harness.compare.laboratory import Circumstances, Laboratory
from harness.compare.notices import Notice
from harness.compare.pairs import first_calls, noted_of, typical
from harness.compare.weights import memory_claims
from harness.errors import HarnessError
from harness.executors.stopping import Stopping
from harness.isolation.client import environment
from harness.locks import WAITING, TimingTurn
from harness.measures.conditions import Conditions, Disturbance, quiet_cores
from harness.measures.notes import noted
from harness.measures.outcomes import difference
from harness.measures.referee import MODES, Played, log_ratios, play
from harness.measures.workers import Worker, WorkerFailed, executed
from harness.plugins import Catalog
from harness.settings import LayerShape
from harness.spelling import Spelling
from harness.trial import Subject, Trial
from harness.verdict import MARGIN, findable, judge

TREE = Path(harness.__file__).resolve().parent.parent
BENCH = TREE / "harness" / "bench"
FOLDERS = ("", "plugins", "tasks")
"""What of a working tree stands on the path."""
MOST_PADDING = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meeting:
    """A pair at two revisions and one shape: the names of the sides, their trees, and what both are asked.

    `differs`: in words, what the two do not compute alike.
    """

    names: tuple[str, str]
    trees: tuple[Path, Path]
    shape: LayerShape
    request: Mapping[str, Any]
    differs: str = ""

    def worker(self, side: int, serve: str, *, core: int | None = None, padding: int = 0) -> Worker:
        """A fresh interpreter of one side. What it leaves in a folder for temporary files goes with the base's tree."""
        threads, tree = self.request["threads"], self.trees[side]
        request = {**self.request, "serve": serve, "core": core, "tree": str(tree), "parent": os.getpid()}
        variables = _environment(tree, threads, padding) | {"TMPDIR": str(self.trees[1].parent)}
        command = [sys.executable, str(BENCH)]
        return executed(self.names[side], command, variables, request, stopped=threads > 1)


def compare_revisions(
    pair: Spelling, base: str, catalog: Catalog, circumstances: Circumstances, stopping: Stopping
) -> Iterator[Claim | Notice]:
    """Claims about the working tree beside `base`, shape by shape.

    The working tree's pair passes its gate first. Where the two revisions do not compute the same, that is told before
    anything is timed, and every claim bears it. Raises HarnessError outside a repository, for an unknown revision,
    where the gate is failed, and where a revision cannot build the pair.
    """
    with checkout(TREE, base) as tree, _failures_in_words():
        with Laboratory(circumstances, stopping) as laboratory:
            yield from laboratory.ask(_gate(pair, catalog, circumstances))
        for shape in circumstances.shapes:
            meeting = _meet(pair, base, tree, shape, circumstances)
            if meeting.differs:
                yield Notice(f"the two revisions compute different things: {meeting.differs} ({shape})")
            if "speed" in circumstances.measures:
                yield from _times(meeting, circumstances)
            if "memory" in circumstances.measures:
                yield from _weights(meeting)


def _gate(pair: Spelling, catalog: Catalog, circumstances: Circumstances) -> Trial:
    return Trial(
        measure="conformance",
        cell=Subject.of(catalog.cell(Spelling(pair.name, pair.options))),
        backend=pair.backend or "",
        device=circumstances.device,
        dtype=circumstances.dtype,
    )


def _meet(pair: Spelling, base: str, tree: Path, shape: LayerShape, circumstances: Circumstances) -> _Meeting:
    """Both sides at a shape, and whether they make the same of one input."""
    request = {
        "pair": str(pair),
        "shape": asdict(shape),
        "device": circumstances.device,
        "dtype": circumstances.dtype,
        "threads": circumstances.threads,
    }
    names = str(pair), f"{pair} at {base}"
    meeting = _Meeting(names=names, trees=(TREE, tree), shape=shape, request=request)
    with ExitStack() as stack:
        started = [stack.push(meeting.worker(side, "witness")) for side in range(2)]
        ours, theirs = (worker.__enter__().ask("outcome") for worker in started)
    return replace(meeting, differs=difference(ours, theirs, circumstances.dtype))


def _times(meeting: _Meeting, circumstances: Circumstances) -> Iterator[Claim | Notice]:
    entropy = int.from_bytes(os.urandom(6), "little")
    with TimingTurn() as turn:
        if not turn.held:
            yield Notice(WAITING)
        turn.wait()
        before, cores = Conditions.now(), quiet_cores()

        def start(number: int, side: int) -> Worker:
            core = cores[(entropy + number) % len(cores)] if cores and circumstances.threads == 1 else None
            padding = int(seeds.stream(entropy, "padding", number, side).integers(MOST_PADDING))
            return meeting.worker(side, "stopwatch", core=core, padding=padding)

        played = play(start, 2, circumstances.timing, entropy=entropy)
        disturbance = Conditions.now().since(before)
    for mode in MODES:
        yield _claim(meeting, mode, played, circumstances, disturbance)


def _weights(meeting: _Meeting) -> Iterator[Claim]:
    found = []
    for side in range(2):
        with meeting.worker(side, "balance") as worker:
            found.append(worker.ask("weigh"))
    if found[0] is None or found[1] is None:
        raise HarnessError("wanted memray to weigh a step on the CPU, found none", hint="--measures speed")
    weights = Weight.of(found[0]), Weight.of(found[1])
    for claim in memory_claims(meeting.names, str(meeting.shape), weights):
        yield replace(claim, details={**claim.details, "differs": meeting.differs})


def _claim(
    meeting: _Meeting, mode: str, played: Played, circumstances: Circumstances, disturbance: Disturbance
) -> Claim:
    ratios = log_ratios(played.samples[mode])
    estimate = statistics.ratio(ratios)
    return Claim(
        kind="speed",
        a=meeting.names[0],
        b=meeting.names[1],
        measure=mode,
        where=str(meeting.shape),
        estimate=estimate,
        verdict=judge(estimate, MARGIN[circumstances.device], circumstances.noise),
        sides=typical(played.samples[mode]),
        unit="seconds",
        detectable=findable(statistics.detectable(ratios), circumstances.noise),
        noise=circumstances.noise,
        details={
            "rounds": played.schedule.rounds,
            **first_calls(played.first),
            **noted_of(noted(played, disturbance), meeting.names),
            "differs": meeting.differs,
        },
    )


def _environment(tree: Path, threads: int, padding: int) -> dict[str, str]:
    """A revision's folders on the path; a variable of random size moves the stack (Mytkowicz et al. 2009)."""
    path = ":".join(str(tree / name) for name in FOLDERS)
    return environment(threads) | {"PYTHONPATH": path, "HARNESS_PADDING": "x" * padding}


@contextmanager
def _failures_in_words() -> Iterator[None]:
    """What a worker could not do is the comparison's error; the worker's own traceback stands beside it."""
    try:
        yield
    except (WorkerFailed, MemoryError) as error:
        summary, _, trace = str(error).partition("\n\n")
        raise HarnessError(summary, detail="" if isinstance(error, MemoryError) else trace) from error
