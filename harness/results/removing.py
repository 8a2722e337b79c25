"""Takes runs or records out of a results folder, for good. What remains is never half a folder."""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import journal, store
from harness.arrays import is_array
from harness.basis import Bases
from harness.description import read_description
from harness.errors import HarnessError, unknown
from harness.plugins import Catalog
from harness.record import Record
from harness.store import RECORDS, Results

SHORTEST = 4
"""Digits of an id at least: fewer might be another trial's tomorrow."""
GONE = ".removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What is to be removed: whole runs, or the records of a question, or those that nothing present stands behind.

    `records`: how many there are, by run. `kept`: stale or not, it cannot be said: what made them is not loaded.
    """

    told: str
    runs: tuple[str, ...] = ()
    matches: Callable[[str, Record], bool]
    records: Mapping[str, int]
    kept: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not self.runs and not self.records


def of_word(results: Path, word: str) -> Removal:
    """What a word names: a run by its name, or a trial by the beginning of its id. Raises HarnessError for others."""
    names = [folder.name for folder in store.run_folders(results)]
    if word in names:
        count = sum(1 for _ in store.read_records(results / "runs" / word, Counter()))
        return Removal(told=f"the run {word}", runs=(word,), matches=lambda run, _: run == word, records={word: count})
    if len(word) < SHORTEST or not set(word) <= set("0123456789abcdef"):
        raise unknown(f"run, or an id's first {SHORTEST} digits", word, names)
    found = [(run, record) for run, record in store.read_all(results) if record.id.startswith(word)]
    ids = sorted({record.id for _, record in found})
    if len(ids) != 1:
        known = f"{len(ids)} that begin so: {', '.join(ids[:5])}" if ids else "none"
        raise HarnessError(f"wanted a run's name or the id of one recorded trial, found {known}")
    return Removal(
        told=f"the trial {ids[0]} ({found[0][1].trial})",
        matches=lambda _, record: record.id == ids[0],
        records=Counter(run for run, _ in found),
    )


def of_stale(results: Path, catalog: Catalog, facts: Mapping[str, Any]) -> Removal:
    """The records whose sources or versions have changed since. Another machine makes no record stale."""
    bases, count, kept = Bases(catalog, facts), Counter[str](), 0
    parts_of = {folder.name: _bases(folder) for folder in store.run_folders(results)}

    def is_stale(run: str, record: Record) -> bool | None:
        try:
            present = bases.of(record.trial)
        except (KeyError, HarnessError):  # a plugin that is not loaded says nothing about its records
            return None
        if record.basis == present.digest:
            return False
        parts = parts_of[run].get(record.basis)
        return None if parts is None else _without_machine(parts) != _without_machine(present.parts)

    for run, record in store.read_all(results):
        stale = is_stale(run, record)
        count[run] += bool(stale)
        kept += stale is None
    return Removal(
        told="what is stale",
        matches=lambda run, record: bool(is_stale(run, record)),
        records=+count,
        kept=kept,
    )


def remove(results: Path, removal: Removal) -> int:
    """Removes it and returns how many records went. Raises HarnessError where the folder cannot be written.

    A run disappears at once, by a new name; of others the journal is written anew before an array goes. A crash
    leaves files that no record names, and `verify` tells of them.
    """
    removed = 0
    with Results(results) as opened, store.in_words(results):
        opened.repair()
        shutil.rmtree(results / GONE, ignore_errors=True)
        for name in removal.runs:
            (results / "runs" / name).replace(results / GONE)
            journal.sync_folder(results / "runs")
            shutil.rmtree(results / GONE)
            removed += removal.records[name]
        if not removal.runs:
            removed += sum(_strip(results / "runs" / run, removal) for run in removal.records)
    return removed


def _strip(folder: Path, removal: Removal) -> int:
    """Removes the matching records of one run, then the arrays that no remaining line names."""
    kept: list[bytes] = []
    named: dict[bool, set[str]] = {True: set(), False: set()}
    removed = 0
    for line in journal.scan(folder / RECORDS):
        record = _record(line)
        goes = record is not None and removal.matches(folder.name, record)
        removed += goes
        if not goes:
            kept.append(line)
        if record is not None and is_array(record.arrays.get("file", "")):
            named[goes].add(record.arrays["file"])
    journal.rewrite(folder / RECORDS, kept)
    for name in named[True] - named[False]:
        (folder / name).unlink(missing_ok=True)
    return removed


def _record(line: bytes) -> Record | None:
    """A line's record; None for one that is not read here, and so is never removed."""
    plain = journal.parse(line)
    try:
        return None if plain is None else Record.from_plain(plain)
    except (KeyError, TypeError, ValueError, AttributeError, HarnessError):
        return None


def _bases(folder: Path) -> Mapping[str, Mapping[str, str]]:
    try:
        found: Mapping[str, Mapping[str, str]] = read_description(folder).get("bases", {})
    except HarnessError:
        return {}
    return found


def _without_machine(parts: Mapping[str, str]) -> dict[str, str]:
    return {name: part for name, part in parts.items() if name != "machine"}
