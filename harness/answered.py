"""What is answered already, read lightly: of every line no more than planning and gates need.

A folder of ten thousand records is read in a second, and what is kept of each is a few hundred bytes, so neither an
index nor a database stands beside the lines.
"""

from dataclasses import dataclass
from pathlib import Path
from sys import intern

from harness import journal
from harness.description import Key
from harness.record import Record, Status, current
from harness.store import RECORDS, run_folders


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """How a trial ended, why, and at which attempt."""

    status: Status
    reason: str
    attempts: int

    @classmethod
    def of(cls, record: Record) -> "Answered":
        """What is kept of a record."""
        return cls(status=record.status, reason=record.reason, attempts=record.attempts)


def read_answered(results: Path) -> dict[Key, Answered]:
    """The newest answer to every question under a results folder, by id and basis.

    What is no answer (a timeout, say) is kept only where there is no answer. Damaged lines and those of a newer
    version are passed over: `results verify` counts them.
    """
    found: dict[Key, Answered] = {}
    for folder in run_folders(results):
        for line in journal.scan(folder / RECORDS):
            plain = journal.parse(line)
            if plain is None:
                continue
            try:
                plain = current(plain)
                key = (plain["id"], intern(plain["basis"]))
                answer = Answered(
                    status=Status(plain["status"]), reason=intern(plain["reason"]), attempts=plain["attempts"]
                )
            except (KeyError, TypeError, ValueError):
                continue
            if answer.status.answers or key not in found or not found[key].status.answers:
                found[key] = answer
    return found
