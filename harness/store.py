"""Results on disk: one folder a run, read together.

`results/runs/<run>/`: `run.json` (grid, machine facts, every planned trial with its basis), `records.jsonl` (one line
a record), `arrays/<id>.npz` (curves and samples), `plugins/` (the texts of `--plugin` files).
"""

import fcntl
import hashlib
import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import journal
from harness.arrays import ARRAYS, read_arrays
from harness.description import RUN, Key, Planned, facts_of, made_on, planned_of, read_description, write_description
from harness.errors import HarnessError, unknown
from harness.matching import Match, Matches
from harness.record import Record
from harness.trial import Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORDS, PLUGINS = "records.jsonl", "plugins"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run as a reader sees it: what was planned, and the answers, from whichever run of the folder holds them.

    `damaged`, `foreign`: lines of the folder that have no intact checksum, and those that another version wrote and
    this one cannot read. `machines`: by record, the fingerprint of the machine that made it, "" where that is not
    known; `origins`: by record, the facts of the run that holds it.
    """

    name: str
    folder: Path
    grid: Mapping[str, Any]
    facts: Mapping[str, Any]
    planned: tuple[Trial, ...]
    impossible: tuple[str, ...]
    records: Mapping[str, Record]
    damaged: int = 0
    foreign: int = 0
    homes: Mapping[str, Path] = field(default_factory=dict)
    matches: Matches = field(default_factory=dict)
    machines: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def places(self, trial: Trial) -> tuple[Match | None, ...]:
        """Where a trial stands in the tables: under its own hidden size (None), or under those it was matched to."""
        return self.matches.get(trial.id, (None,))

    def arrays(self, record_id: str) -> "dict[str, NDArray[Any]]":
        """The curves and samples of a record; empty where it has none or its file is missing or damaged."""
        record = self.records.get(record_id)
        return read_arrays(record, self.homes[record_id]) if record else {}


class Results:
    """A results folder open for writing by one process, under its lock. Use it as a context manager."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = -1

    def __enter__(self) -> "Results":
        try:
            if not (self.folder / "runs").is_dir():
                (self.folder / "runs").mkdir(parents=True, exist_ok=True)
                journal.sync_folder(self.folder)
                journal.sync_folder(self.folder.parent)
            self._lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(self._lock)
            raise HarnessError(
                f"another run is writing to {self.folder}", hint="wait for it, or give another folder by --results"
            ) from error
        except OSError as error:
            raise HarnessError(
                f"cannot write to the results folder {self.folder}: {error.strerror}", hint="give another by --results"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lock)

    def repair(self) -> int:
        """Sets damaged lines of every journal aside and returns how many there were."""
        with in_words(self.folder):
            return sum(journal.repair(folder / RECORDS) for folder in run_folders(self.folder))

    def new_run(self, name: str) -> Path:
        """An empty folder for a run; a number is added where the name is taken."""
        folder = self.free(name)
        with in_words(self.folder):
            (folder / ARRAYS).mkdir(parents=True)
            journal.sync_folder(folder.parent)
        return folder

    def free(self, name: str) -> Path:
        """Where a run may lie: under its name, or with a number added where that is taken."""
        runs = self.folder / "runs"
        names = (name if number == 1 else f"{name}-{number}" for number in itertools.count(1))
        return next(runs / free for free in names if not (runs / free).exists())


@contextmanager
def in_words(folder: Path, verb: str = "write to") -> Iterator[None]:
    """Says in one sentence what the system refuses: no space, no permission, a disk that fails."""
    try:
        yield
    except OSError as error:
        hint = "what was recorded before is kept"
        raise HarnessError(f"cannot {verb} {folder}: {error.strerror or error}", hint=hint) from error


class RunWriter:
    """Writes one run: its description, then a line a record. Raises HarnessError where it cannot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with in_words(folder):
            self._journal = journal.Journal(folder / RECORDS)

    def describe(self, description: Mapping[str, Any], planned: Iterable[Planned], impossible: Iterable[str]) -> None:
        """Writes `run.json`, whole or not at all; called again when more has been planned."""
        write_description(self.folder, description, planned, impossible)

    def write(self, record: Record) -> None:
        """Appends a record; it is on the disk when this returns."""
        with in_words(self.folder):
            self._journal.append(record.to_plain())

    def keep_arrays(self, record_id: str, source: Path) -> dict[str, str]:
        """Copies a trial's arrays into the run, durable before the record's line is written; gives name and sha256."""
        name = f"{ARRAYS}/{record_id}.npz"
        with in_words(self.folder):
            content = source.read_bytes()
            journal.put(self.folder / name, [content])
        return {"file": name, "sha256": hashlib.sha256(content).hexdigest()}

    def close(self) -> None:
        """Closes the journal."""
        self._journal.close()


def read_all(results: Path) -> Iterator[tuple[str, Record]]:
    """Every readable record under a results folder, with its run's name, oldest run first."""
    for folder in run_folders(results):
        for record in read_records(folder, Counter()):
            yield folder.name, record


def read_records(folder: Path, tally: Counter[str], wanted: Mapping[Key, Trial] | None = None) -> Iterator[Record]:
    """The records of a run, one at a time; where some are `wanted`, those alone.

    Tells `tally` what else there was: lines that are `damaged`, and intact ones that are `foreign`: another version
    wrote them, and this one cannot read them.
    """
    for line in journal.scan(folder / RECORDS):
        plain = journal.parse(line)
        if plain is None:
            tally["damaged"] += 1
            continue
        try:
            if wanted is None:
                yield Record.from_plain(plain)
            elif trial := wanted.get((plain["id"], plain["basis"])):
                yield Record.from_plain(plain, trial)
        except (KeyError, TypeError, ValueError, AttributeError, HarnessError):
            tally["foreign"] += 1


def read_run(results: Path, name: str | None = None) -> RunView:
    """A run by name, the newest by default. Raises HarnessError where there is none, or its run.json is damaged."""
    folders = {folder.name: folder for folder in run_folders(results) if (folder / RUN).exists()}
    if not folders:
        raise HarnessError(f"wanted a run in {results}, found none", hint="`harness run` makes one")
    if name is not None and name not in folders:
        raise unknown("run", name, folders)
    folder = folders[name] if name else list(folders.values())[-1]
    plain = read_description(folder)
    planned = planned_of(plain, folder)
    tally: Counter[str] = Counter()
    found = _newest(results, {p.key: p.trial for p in planned}, tally)
    answers = {p.trial.id: found[p.key] for p in planned if p.key in found}
    facts = {home: facts_of(home) for home in {home for _, home in answers.values()}}
    return RunView(
        name=folder.name,
        folder=folder,
        grid=plain["grid"],
        facts=plain["facts"],
        planned=tuple(p.trial for p in planned),
        impossible=tuple(plain["impossible"]),
        records={key: record for key, (record, _) in answers.items()},
        damaged=tally["damaged"],
        foreign=tally["foreign"],
        homes={key: home for key, (_, home) in answers.items()},
        matches={p.trial.id: p.matches for p in planned if p.matches},
        machines={key: record.machine or made_on(facts[home]) for key, (record, home) in answers.items()},
        origins={key: facts[home] for key, (_, home) in answers.items()},
    )


def _newest(results: Path, wanted: Mapping[Key, Trial], tally: Counter[str]) -> dict[Key, tuple[Record, Path]]:
    """The newest answer to every wanted question, and its run's folder.

    What is no answer (a timeout, say) is kept only where there is no answer.
    """
    found: dict[Key, tuple[Record, Path]] = {}
    for folder in run_folders(results):
        for record in read_records(folder, tally, wanted):
            key = (record.id, record.basis)
            if record.status.answers or key not in found or not found[key][0].status.answers:
                found[key] = (record, folder)
    return found


def run_folders(results: Path) -> list[Path]:
    """Runs by age: names begin with the time."""
    runs = results / "runs"
    return sorted(folder for folder in runs.iterdir() if folder.is_dir()) if runs.is_dir() else []
