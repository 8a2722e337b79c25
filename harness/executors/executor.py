"""What every executor is: somebody who runs trials and tells how each ended."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.executors.local import Started, Waiting
from harness.executors.stopping import Stopping
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request

Facts = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Told:
    """Something about those who run trials that a person should know: who came, who was refused, who was lost."""

    sentence: str


Happening = Started | Waiting | Told | Outcome


class Executor(Protocol):
    """Runs trials, each in an isolated child. A context manager: leaving it ends every trial it has begun.

    `folder`: where requests have their private folders. `machines`: the facts of those that answer, by fingerprint;
    the first is the run's: what rests on a machine (speed, memory, CUDA) is asked of that kind alone.
    """

    @property
    def folder(self) -> Path: ...  # noqa: D102 -- said above

    @property
    def machines(self) -> Mapping[str, Facts]: ...  # noqa: D102 -- said above

    def ready(self, stopping: Stopping) -> Iterator[Told]:
        """Waits until somebody can run trials; an interrupt ends the waiting with a KeyboardInterrupt.

        Raises HarnessError where nobody ever will.
        """

    def execute(self, requests: Iterable[Request], stopping: Stopping, *, alone: bool) -> Iterator[Happening]:
        """Runs requests, as many at once as there is room; yields what begins, what ends, and what is to be known.

        `alone`: nothing else of this run on a trial's machine meanwhile. A request without a limit of memory gets its
        share of what is free where it runs. Once `stopping` drains, nothing new begins and what is timed is given up,
        unreported; once it aborts, it returns and nothing more is reported.
        """

    def __enter__(self) -> "Executor": ...

    def __exit__(self, *_: object) -> None: ...
