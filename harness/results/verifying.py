"""Is everything there, and is it what was written? Nothing is changed, no lock is taken."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import journal, store
from harness.arrays import ARRAYS, is_array, is_sound
from harness.description import RUN, facts_of, made_on, planned_of, read_description
from harness.errors import HarnessError
from harness.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCheck:
    """What stands in one run's folder.

    `damaged`: lines without an intact checksum; `foreign`: intact lines that another version wrote and this one cannot
    read; `aside`: damaged lines that were set aside earlier. `missing`, `wrong`: array files that are not there, or
    not what was written. `left`: files that no record names, as a crash leaves them. `description`: what is the
    matter with run.json, "" for nothing.
    """

    name: str
    planned: int
    records: int
    damaged: int
    foreign: int
    aside: int
    arrays: int
    missing: tuple[str, ...]
    wrong: tuple[str, ...]
    left: tuple[str, ...]
    description: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged; what was set aside is not there any more."""
        return not (self.damaged or self.missing or self.wrong or self.description)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A results folder: its runs, and the questions that one machine has answered twice, differently."""

    runs: tuple[RunCheck, ...]
    conflicts: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing is damaged in any run."""
        return all(run.is_sound for run in self.runs)


@dataclass(slots=True)
class _Answers:
    """Digests of answers by question, basis and machine; 16 bytes a record."""

    found: dict[tuple[str, str, str], str] = field(default_factory=dict)
    conflicts: dict[str, None] = field(default_factory=dict)

    def add(self, record: Record, machine: str) -> None:
        if record.status.answers and record.answer:
            key = (record.id, record.basis, machine)
            if self.found.setdefault(key, record.answer) != record.answer:
                self.conflicts[record.id] = None


def verify(results: Path) -> Check:
    """Reads every line and every array of a results folder. Raises HarnessError where there is no such folder."""
    if not (results / "runs").is_dir():
        raise HarnessError(f"wanted a results folder, found none at {results}", hint="`harness run` makes one")
    answers = _Answers()
    with store.in_words(results, "read"):
        runs = tuple(_check(folder, answers) for folder in store.run_folders(results))
    return Check(runs=runs, conflicts=tuple(answers.conflicts))


def _check(folder: Path, answers: _Answers) -> RunCheck:
    machine, tally = made_on(facts_of(folder)), Counter[str]()
    named: dict[str, str] = {}
    records = 0
    for record in store.read_records(folder, tally):
        records += 1
        answers.add(record, record.machine or machine)
        if record.arrays:
            named[record.arrays["file"]] = record.arrays["sha256"]
    planned, description = _planned(folder)
    return RunCheck(
        name=folder.name,
        planned=planned,
        records=records,
        damaged=tally["damaged"],
        foreign=tally["foreign"],
        aside=sum(1 for _ in journal.scan(folder / (store.RECORDS + ".damaged"))),
        arrays=len(named),
        missing=tuple(name for name in named if not (folder / name).is_file()),
        wrong=tuple(name for name in named if (folder / name).is_file() and not _is_sound(folder, name, named[name])),
        left=tuple(sorted(set(_files(folder)) - set(named))) if not (tally["damaged"] or tally["foreign"]) else (),
        description=description,
    )


def _is_sound(folder: Path, name: str, sha256: str) -> bool:
    return is_array(name) and is_sound(folder / name, sha256)


def _planned(folder: Path) -> tuple[int, str]:
    if not (folder / RUN).exists():
        return 0, f"{RUN} is missing"
    try:
        return len(planned_of(read_description(folder), folder)), ""
    except HarnessError as error:
        return 0, error.message


def _files(folder: Path) -> Iterator[str]:
    """The files a crash may leave: arrays without a line, and whatever was not finished."""
    for path in (*folder.glob(f"{ARRAYS}/*"), *folder.glob("*.part")):
        yield path.relative_to(folder).as_posix()
