"""Results on disk: one folder a run, read together.

`results/runs/<run>/`: `run.json` (grid, machine facts, every planned trial with its basis), `records.jsonl` (one line
a record), `arrays/<id>.npz` (curves and samples), `plugins/` (the texts of `--plugin` files).
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import journal
from harness.description import RUN, Key, Planned, facts_of, made_on, planned_of, read_description, write_description
from harness.errors import HarnessError, unknown
from harness.matching import Match, Matches
from harness.record import Record
from harness.trial import Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

RECORDS, ARRAYS, PLUGINS = "records.jsonl", "arrays", "plugins"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run as a reader sees it: what was planned, and the answers, from whichever run of the folder holds them.

    `machines`: by record, the fingerprint of the machine that made it, "" where that is not known; `origins`: by
    record, the facts of the run that holds it.
    """

    name: str
    folder: Path
    grid: Mapping[str, Any]
    facts: Mapping[str, Any]
    planned: tuple[Trial, ...]
    impossible: tuple[str, ...]
    records: Mapping[str, Record]
    damaged: int = 0
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
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
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
        return sum(journal.repair(folder / RECORDS) for folder in _run_folders(self.folder))

    def new_run(self, name: str) -> Path:
        """An empty folder for a run; a number is added where the name is taken."""
        for number in range(1, 1000):
            folder = self.folder / "runs" / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            (folder / ARRAYS).mkdir()
            return folder
        raise HarnessError(f"wanted a free name for a run, found 999 called {name}")


class RunWriter:
    """Writes one run: its description, then a line a record."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._journal = journal.Journal(folder / RECORDS)

    def describe(self, description: Mapping[str, Any], planned: Iterable[Planned], impossible: Iterable[str]) -> None:
        """Writes `run.json`, whole or not at all; called again when more has been planned."""
        write_description(self.folder, description, planned, impossible)

    def write(self, record: Record) -> None:
        """Appends a record; it is on the disk when this returns."""
        journal_line = record.to_plain()
        self._journal.append(journal_line)

    def keep_arrays(self, record_id: str, source: Path) -> dict[str, str]:
        """Copies a trial's arrays into the run, durable before the record's line is written; gives name and sha256."""
        name = f"{ARRAYS}/{record_id}.npz"
        target = self.folder / name
        temporary = target.with_suffix(".part")
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            digest = hashlib.sha256(file.read()).hexdigest()
            os.fsync(file.fileno())
        temporary.replace(target)
        journal.sync_folder(target.parent)
        return {"file": name, "sha256": digest}

    def close(self) -> None:
        """Closes the journal."""
        self._journal.close()


def read_all(results: Path) -> Iterator[tuple[str, Record]]:
    """Every readable record under a results folder, with its run's name, oldest run first."""
    for folder in _run_folders(results):
        records, _ = _read_records(folder)
        for record in records:
            yield folder.name, record


def read_arrays(record: Record, folder: Path) -> "dict[str, NDArray[Any]]":
    """The curves and samples of a record of the run at `folder`; empty where there are none, or they are damaged."""
    if not record.arrays:
        return {}
    path = folder / record.arrays["file"]
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != record.arrays["sha256"]:
        return {}
    return load_arrays(path)


def load_arrays(path: Path) -> "dict[str, NDArray[Any]]":
    """Every array of a file."""
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_homes(results: Path) -> tuple[dict[Key, tuple[Record, Path]], int]:
    """The newest answer to every question, its run's folder, and the number of damaged lines met.

    What is no answer (a timeout, say) is kept only where there is no answer.
    """
    found: dict[Key, tuple[Record, Path]] = {}
    damaged = 0
    for folder in _run_folders(results):
        records, bad = _read_records(folder)
        damaged += bad
        for record in records:
            key = (record.id, record.basis)
            if record.status.answers or key not in found or not found[key][0].status.answers:
                found[key] = (record, folder)
    return found, damaged


def read_run(results: Path, name: str | None = None) -> RunView:
    """A run by name, the newest by default. Raises HarnessError where there is none, or its run.json is damaged."""
    folders = {folder.name: folder for folder in _run_folders(results) if (folder / RUN).exists()}
    if not folders:
        raise HarnessError(f"wanted a run in {results}, found none", hint="`harness run` makes one")
    if name is not None and name not in folders:
        raise unknown("run", name, folders)
    folder = folders[name] if name else list(folders.values())[-1]
    plain = read_description(folder)
    planned = planned_of(plain, folder)
    found, damaged = read_homes(results)
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
        damaged=damaged,
        homes={key: home for key, (_, home) in answers.items()},
        matches={p.trial.id: p.matches for p in planned if p.matches},
        machines={key: record.machine or made_on(facts[home]) for key, (record, home) in answers.items()},
        origins={key: facts[home] for key, (_, home) in answers.items()},
    )


def _read_records(folder: Path) -> tuple[list[Record], int]:
    lines = journal.read(folder / RECORDS)
    records, damaged = [], len(lines.damaged)
    for plain in lines.intact:
        try:
            records.append(Record.from_plain(plain))
        except (KeyError, TypeError, ValueError, AttributeError, HarnessError):
            damaged += 1
    return records, damaged


def _run_folders(results: Path) -> list[Path]:
    """Runs by age: names begin with the time."""
    runs = results / "runs"
    return sorted(folder for folder in runs.iterdir() if folder.is_dir()) if runs.is_dir() else []
