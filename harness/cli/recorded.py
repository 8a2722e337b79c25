"""The records of the one trial that a word on the command line names."""

from pathlib import Path

from harness import store
from harness.errors import HarnessError
from harness.record import Record


def recorded(results: Path, beginning: str) -> list[tuple[str, Record]]:
    """Every record of the trial whose id begins so, with its run's name, oldest first.

    Raises HarnessError where none or several trials' ids do.
    """
    found = [(run, record) for run, record in store.read_all(results) if record.id.startswith(beginning)]
    ids = sorted({record.id for _, record in found})
    if len(ids) != 1:
        known = f"{len(ids)} that begin so: {', '.join(ids[:5])}" if ids else "none"
        raise HarnessError(f"wanted the id of one recorded trial, found {known}", hint="`harness plan` shows ids")
    return found
