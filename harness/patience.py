"""How often a run tries: again where the machine ended a trial, no more where a pair fails every time."""

from collections import Counter
from collections.abc import Iterable

from harness.record import Record, Status
from harness.trial import Trial

MOST_ATTEMPTS = 3
"""How often one run asks a trial that the machine ends."""
PARKED_AFTER = 5
"""So many failures in a row, and a pair of cell and backend is left alone for the rest of the run."""
FAILURES = frozenset(
    {
        Status.TIMEOUT,
        Status.OOM,
        Status.SIGNAL,
        Status.EXIT,
        Status.NO_RESULT,
        Status.BAD_RESULT,
        Status.ERROR,
    }
)


class Patience:
    """What has failed in this run, and how often in a row."""

    def __init__(self) -> None:
        self._attempts: Counter[str] = Counter()
        self._disturbed: set[str] = set()
        self._in_a_row: dict[str, list[Record]] = {}

    def note(self, record: Record, *, disturbed: bool) -> str:
        """Takes note of an answer; `disturbed`: the machine ended the trial. Returns why its pair is parked by it."""
        self._attempts[record.id] += 1
        if disturbed and self._attempts[record.id] < MOST_ATTEMPTS:
            self._disturbed.add(record.id)
            return ""
        self._disturbed.discard(record.id)
        failures = self._in_a_row.setdefault(record.trial.pair, [])
        if record.status not in FAILURES:
            failures.clear()
            return ""
        failures.append(record)
        return self.parked(record.trial) if len(failures) == PARKED_AFTER else ""

    def again(self, trials: Iterable[Trial]) -> list[Trial]:
        """Those that the machine ended and that are worth another attempt."""
        return [trial for trial in trials if trial.id in self._disturbed]

    def parked(self, trial: Trial) -> str:
        """Why a trial of this pair is not asked any more, or ""."""
        failures = self._in_a_row.get(trial.pair, [])
        if len(failures) < PARKED_AFTER:
            return ""
        last = failures[-1]
        told = f"{trial.pair} is parked: {PARKED_AFTER} of its trials in a row have failed"
        return f"{told}, {last.id} as {last.status}: {last.reason}"
