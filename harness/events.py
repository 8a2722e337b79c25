"""What happens in a run, as values that whoever drives it can show."""

from dataclasses import dataclass
from pathlib import Path

from harness.executors.executor import Told
from harness.executors.local import Started, Waiting
from harness.record import Record
from harness.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The run has a folder; so many of its trials are answered already, so many are still to run: `trials`."""

    folder: Path
    answered: int
    missing: int
    repaired: int
    trials: tuple[Trial, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """So many more trials have been planned: a gate failed, and the next backend takes its place."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """So many trials that the machine ended are asked again, one at a time."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A pair of cell and backend has failed so often in a row that its other trials are skipped in this run."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A record is on the disk."""

    record: Record


Event = Opened | Grown | Told | Started | Waiting | Again | Parked | Recorded
