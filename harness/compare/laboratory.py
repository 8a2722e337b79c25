"""Where comparisons are made: trials answered one after the other in fresh children, nothing recorded."""

import shutil
from collections.abc import Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import machine
from harness.backend import Dtype
from harness.compare.notices import Notice
from harness.errors import HarnessError, unknown
from harness.executors.local import Waiting, execute
from harness.executors.stopping import Stopping
from harness.grid import DTYPES
from harness.isolation.client import ForkServer, environment
from harness.isolation.limits import share_of_memory
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request, Result
from harness.locks import WAITING
from harness.record import Status
from harness.scratch import scratch
from harness.settings import LayerShape, TimingSettings
from harness.trial import Trial

TIMING = TimingSettings(pairs=8, most_pairs=16, rounds=24, seconds=6.0, budget=24.0)
"""At most half a minute: eight pairs, more only where the interval is wider than 1 % either way."""
Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Where and how two sides meet. `noise`: the greatest relative difference that equals have shown there."""

    shapes: tuple[LayerShape, ...]
    measures: tuple[str, ...] = ("speed", "memory")
    device: str = "cpu"
    dtype: Dtype = "float32"
    threads: int = 1
    timing: TimingSettings = TIMING
    noise: float = 0.0
    plugin_files: tuple[Path, ...] = ()
    timeout: float = 600.0

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
        machine.require(self.device, self.threads)


class Laboratory:
    """Answers trials one after the other in children of one fork server; nothing is recorded. A context manager."""

    def __init__(self, circumstances: Circumstances, stopping: Stopping) -> None:
        self._circumstances, self._stopping = circumstances, stopping
        self._waited = False

    def __enter__(self) -> "Laboratory":
        with ExitStack() as stack:
            self._scratch = stack.enter_context(scratch())
            self._server = stack.enter_context(ForkServer(environment(self._circumstances.threads)))
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def answer(self, trial: Trial) -> tuple[Result, Arrays]:
        """What `ask` gives, its notices unheard."""
        asking = self.ask(trial)
        while True:
            try:
                next(asking)
            except StopIteration as end:
                answer: tuple[Result, Arrays] = end.value
                return answer

    def ask(self, trial: Trial) -> Generator[Notice, None, tuple[Result, Arrays]]:
        """Values and arrays of a trial that ended well. Raises HarnessError with status and reason where it did not."""
        request = Request(
            trial=trial,
            folder=self._scratch / trial.id,
            plugin_files=tuple(file.absolute() for file in self._circumstances.plugin_files),
            timeout=self._circumstances.timeout,
            memory=share_of_memory(1),
            spawn=trial.device != "cpu",
        )
        for event in execute(self._server, [request], slots=1, stopping=self._stopping):
            if isinstance(event, Waiting) and not self._waited:
                self._waited = True
                yield Notice(WAITING)
            if not isinstance(event, Outcome):
                continue
            if event.result.status != Status.OK:
                told = f"{trial} ended as {event.result.status}: {event.result.reason}"
                raise HarnessError(told, detail="" if event.result.status == Status.OOM else event.output.strip())
            arrays = _read(event.arrays)
            shutil.rmtree(request.folder, ignore_errors=True)  # the same question may be asked again
            return event.result, arrays
        raise KeyboardInterrupt


def _read(path: Path | None) -> Arrays:
    if path is None:
        return {}
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
