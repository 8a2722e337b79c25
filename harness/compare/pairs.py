"""Two cells on their backends: each passes its gate, then they are timed against each other and weighed."""

import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backend import Dtype
from harness.choosing import why_not
from harness.compare.claims import Claim
from harness.errors import HarnessError
from harness.executors.local import Started, execute
from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer, environment
from harness.isolation.request import Request, Result
from harness.measures.referee import COLD_MODES, MODES
from harness.planning import gates_of
from harness.plugins import Catalog
from harness.record import Status
from harness.settings import LayerShape, TimingSettings
from harness.spelling import Spelling
from harness.statistics import Estimate
from harness.trial import Subject, Trial
from harness.verdict import MARGIN, judge

TIMING = TimingSettings(pairs=8, most_pairs=16, rounds=24, seconds=6.0, budget=24.0)
"""At most half a minute: eight pairs, more only where the interval is wider than 1 % either way."""
Arrays = dict[str, NDArray[Any]]
WEIGHED = {
    "train peak": "train_peak_bytes",
    "forward peak": "forward_peak_bytes",
    "kept for backward": "activation_bytes",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where and how two sides meet."""

    shapes: tuple[LayerShape, ...]
    measures: tuple[str, ...] = ("speed", "memory")
    device: str = "cpu"
    dtype: Dtype = "float32"
    threads: int = 1
    timing: TimingSettings = TIMING
    plugin_files: tuple[Path, ...] = ()
    timeout: float = 600.0


def choose(spelling: Spelling, catalog: Catalog, order: Iterable[str], circumstances: Circumstances) -> Spelling:
    """The pair that a spelling means: without a backend, the first of `order` that can run the cell.

    Raises HarnessError where the named backend, or every one, cannot.
    """
    cell = catalog.cell(Spelling(spelling.name, spelling.options))
    names = [spelling.backend] if spelling.backend else [name for name in order if name in catalog.backends]
    reasons = {name: why_not(catalog, cell, name, circumstances.device, circumstances.dtype) for name in names}
    for name, reason in reasons.items():
        if reason is None:
            return Spelling(spelling.name, spelling.options, name)
    raise HarnessError(f"{spelling} cannot run: " + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def compare_pairs(
    a: Spelling, b: Spelling, catalog: Catalog, circumstances: Circumstances, stopping: Stopping
) -> Iterator[Claim]:
    """Claims about A beside B, shape by shape, as they are found.

    Both pass their gates first. Raises HarnessError where one does not, and where a trial ends without a result.
    """
    asked = [trial for shape in circumstances.shapes for trial in _trials(a, b, catalog, circumstances, shape)]
    gates = dict.fromkeys(gate for trial in asked for gate in gates_of(trial))
    with Laboratory(circumstances, stopping) as laboratory:
        for gate in gates:
            laboratory.answer(gate)
        for shape in circumstances.shapes:
            trials = {trial: None for trial in asked if trial.shape == shape}
            results = {trial: laboratory.answer(trial)[0] for trial in trials}
            yield from _claims(results, circumstances)


class Laboratory:
    """Answers trials one after the other in children of one fork server; nothing is recorded. A context manager."""

    def __init__(self, circumstances: Circumstances, stopping: Stopping) -> None:
        self._circumstances, self._stopping = circumstances, stopping

    def __enter__(self) -> "Laboratory":
        self._scratch = tempfile.TemporaryDirectory(prefix="harness-")
        self._server = ForkServer(environment(self._circumstances.threads))
        return self

    def __exit__(self, *_: object) -> None:
        self._server.__exit__()
        self._scratch.cleanup()

    def answer(self, trial: Trial) -> tuple[Result, Arrays]:
        """Values and arrays of a trial that ended well. Raises HarnessError with status and reason where it did not."""
        request = Request(
            trial=trial,
            folder=Path(self._scratch.name) / trial.id,
            plugin_files=tuple(file.absolute() for file in self._circumstances.plugin_files),
            timeout=self._circumstances.timeout,
            spawn=trial.device != "cpu",
        )
        for event in execute(self._server, [request], slots=1, stopping=self._stopping):
            if isinstance(event, Started):
                continue
            if event.result.status != Status.OK:
                raise HarnessError(
                    f"{trial} ended as {event.result.status}: {event.result.reason}", hint=event.output.strip() or ""
                )
            arrays = _read(event.arrays)
            shutil.rmtree(request.folder, ignore_errors=True)  # the same question may be asked again
            return event.result, arrays
        raise KeyboardInterrupt


def _read(path: Path | None) -> Arrays:
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _trials(
    a: Spelling, b: Spelling, catalog: Catalog, circumstances: Circumstances, shape: LayerShape
) -> Iterator[Trial]:
    """A speed trial of A against B; a memory trial of each."""
    sides = [(Subject.of(catalog.cell(Spelling(side.name, side.options))), side.backend or "") for side in (a, b)]
    shared: dict[str, Any] = {
        "device": circumstances.device,
        "dtype": circumstances.dtype,
        "threads": circumstances.threads,
        "shape": shape,
    }
    (cell, backend), (other, versus) = sides
    if "speed" in circumstances.measures:
        yield Trial(
            measure="speed",
            cell=cell,
            backend=backend,
            versus=versus,
            versus_cell=other if other != cell else None,
            timing=circumstances.timing,
            **shared,
        )
    if "memory" in circumstances.measures:
        for subject, name in sides:
            yield Trial(measure="memory", cell=subject, backend=name, **shared)


def _claims(results: Mapping[Trial, Result], circumstances: Circumstances) -> Iterator[Claim]:
    weighed = []
    for trial, result in results.items():
        if trial.measure == "speed":
            yield from speed_claims(trial, result, MARGIN[circumstances.device])
        else:
            weighed.append((trial, result))
    if weighed:
        yield from _memory_claims(weighed[0], weighed[-1])


def speed_claims(trial: Trial, result: Result, margin: float) -> Iterator[Claim]:
    """A claim a mode of a speed trial."""
    for mode in (mode for mode in (*MODES, *COLD_MODES) if f"{mode}_speedup" in result.values):
        low, value, high = (result.number(f"{mode}_speedup{end}") for end in ("_low", "", "_high"))
        estimate = Estimate(value=value, low=low, high=high, n=int(result.number("pairs")))
        yield Claim(
            kind="speed",
            a=trial.pair,
            b=trial.versus_pair,
            measure=mode.replace("_", " "),
            where=str(trial.shape),
            estimate=estimate,
            verdict=judge(estimate, margin),
            sides=(result.number(f"{mode}_seconds"), result.number(f"{mode}_versus_seconds")),
            unit="seconds",
            detectable=result.number(f"{mode}_detectable"),
            details={
                "rounds": result.number("rounds"),
                "a_first_seconds": result.number("first_seconds"),
                "b_first_seconds": result.number("versus_first_seconds"),
                "disturbed": result.values["disturbed"].value,
                "steady": result.values["steady"].value,
            },
        )


def _memory_claims(a: tuple[Trial, Result], b: tuple[Trial, Result]) -> Iterator[Claim]:
    (trial, ours), (other, theirs) = a, b
    for measure, name in WEIGHED.items():
        sides = ours.number(name), theirs.number(name)
        yield memory_claim((trial.pair, other.pair), measure, str(trial.shape), sides)


def memory_claim(names: tuple[str, str], measure: str, where: str, sides: tuple[float, float]) -> Claim:
    """What A and B weigh. Bytes are counted, not sampled: the interval is the value."""
    ratio = sides[1] / sides[0] if sides[0] else math.nan
    return Claim(
        kind="memory",
        a=names[0],
        b=names[1],
        measure=measure,
        where=where,
        estimate=Estimate(value=ratio, low=ratio, high=ratio, n=1),
        verdict="same" if sides[0] == sides[1] else "smaller" if sides[0] < sides[1] else "larger",
        sides=sides,
        unit="bytes",
    )
