"""The union of results folders: every line of every run, each once. What is merged from is only read."""

import hashlib
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import journal, store
from harness.arrays import ARRAYS, is_array, is_sound
from harness.canonical import digest
from harness.description import RUN, read_description
from harness.errors import HarnessError
from harness.store import RECORDS, Results

STAGE = ".merging"
"""Where a run lies until it is whole; no reader looks there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What one run of a source gave: the name it now lies under, and how many of its lines were new or known.

    `damaged`: lines of the source without an intact checksum; they stay there.
    """

    source: Path
    name: str
    new: int
    known: int
    damaged: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """A run as merging sees it: its intact lines as they lie there, and the arrays they name, by file, with sha256."""

    folder: Path
    lines: dict[bytes, bytes]
    arrays: dict[str, str]
    damaged: int

    def clashes(self, other: "_Run") -> bool:
        """Whether a file cannot be both runs': then they are two runs, however alike they began."""
        return any(other.arrays.get(name, sha256) != sha256 for name, sha256 in self.arrays.items())


def merge(results: Path, sources: tuple[Path, ...]) -> Iterator[Merged]:
    """Adds the runs of the sources to a results folder; yields one value a run.

    A run stays a run, with its description, so that rows of different machines stay apart as ever. One that the
    folder holds already gets what it lacks; another of the same name gets a number behind its name. Merging again
    changes nothing. Raises HarnessError where a source is no results folder or the folder cannot be written.
    """
    for source in sources:
        if not (source / "runs").is_dir():
            raise HarnessError(f"wanted a results folder, found none at {source}")
        if results.exists() and source.samefile(results):
            raise HarnessError(f"wanted another folder than {results} to merge from, found itself")
    with Results(results) as opened, store.in_words(results):
        opened.repair()
        shutil.rmtree(results / STAGE, ignore_errors=True)
        present: defaultdict[str, list[Path]] = defaultdict(list)
        for folder in store.run_folders(results):
            present[_identity(folder)].append(folder)
        for source in sources:
            for folder in store.run_folders(source):
                identity, run = _identity(folder), _read(folder)
                home = next((one for one in map(_read, present[identity]) if not run.clashes(one)), None)
                if home is None:
                    target = opened.free(folder.name)
                    _copy(run, results / STAGE, target)
                    present[identity].append(target)
                new = len(run.lines) if home is None else _add(run, home)
                name = home.folder.name if home else target.name
                yield Merged(source=source, name=name, new=new, known=len(run.lines) - new, damaged=run.damaged)


def _identity(folder: Path) -> str:
    """What tells a run from all others, whatever its folder is called: its token, or else how and where it began."""
    try:
        plain = read_description(folder)
    except HarnessError:
        return digest([line.decode("utf-8", "replace") for line in journal.scan(folder / RECORDS)][:1] or folder.name)
    beginning = [plain.get(name) for name in ("started", "command", "grid", "facts")]
    return str(plain.get("token") or digest(beginning))


def _read(folder: Path) -> _Run:
    lines: dict[bytes, bytes] = {}
    arrays: dict[str, str] = {}
    damaged = 0
    for line in journal.scan(folder / RECORDS):
        plain = journal.parse(line)
        if plain is None:
            damaged += 1
            continue
        lines[hashlib.sha256(line).digest()] = line
        if named := _named(plain):
            arrays[named[0]] = named[1]
    return _Run(folder=folder, lines=lines, arrays=arrays, damaged=damaged)


def _named(plain: dict[str, Any]) -> tuple[str, str] | None:
    """The array file a line names; one that would lie elsewhere than among the run's arrays is none."""
    found = plain.get("arrays") or {}
    name = str(found.get("file", "")) if isinstance(found, dict) else ""
    return (name, str(found.get("sha256"))) if is_array(name) else None


def _add(run: _Run, home: _Run) -> int:
    """Gives a run what it lacks, arrays first; returns how many lines were new."""
    for name, sha256 in run.arrays.items():
        source, target = run.folder / name, home.folder / name
        if not is_sound(target, sha256) and is_sound(source, sha256):
            target.parent.mkdir(exist_ok=True)
            journal.put(target, [source.read_bytes()])
    new = [line for key, line in run.lines.items() if key not in home.lines]
    if new:
        journal.rewrite(home.folder / RECORDS, [*home.lines.values(), *new])
    if _extent(run.folder) > _extent(home.folder):
        journal.put(home.folder / RUN, [(run.folder / RUN).read_bytes()])
    return len(new)


def _extent(folder: Path) -> tuple[int, bool]:
    """How far a description goes: it is written again as more is planned, and at the end."""
    try:
        plain = read_description(folder)
        return len(plain["planned"]), "ended" in plain
    except (HarnessError, KeyError, TypeError):
        return -1, False


def _copy(run: _Run, stage: Path, target: Path) -> None:
    """Copies a whole run, durable before it appears under its name; links and what was not finished are left out."""
    for path in sorted(run.folder.rglob("*")):
        copied = stage / path.relative_to(run.folder)
        if path.is_file() and not path.is_symlink() and path.suffix not in (".part", ".damaged"):
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
    (stage / ARRAYS).mkdir(parents=True, exist_ok=True)
    journal.rewrite(stage / RECORDS, run.lines.values())
    _sync(stage.rglob("*"))
    journal.sync_folder(stage)
    stage.replace(target)
    journal.sync_folder(target.parent)


def _sync(paths: Iterable[Path]) -> None:
    for path in paths:
        if path.is_dir():
            journal.sync_folder(path)
            continue
        with path.open("rb") as file:
            os.fsync(file.fileno())
