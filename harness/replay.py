"""A recorded trial asked again, and whether the answer is the same. Nothing is written into the results folder.

The trial runs as `harness run` runs it: in a child of a fork server, with the plugin files kept by its run. Its gate
is assumed: the record would not be there had it failed, and what has changed since is said before anything is compared.
"""

import hashlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import canonical, machine, plugins, store
from harness.arrays import load_arrays, read_arrays
from harness.basis import basis_of
from harness.description import read_description
from harness.errors import HarnessError
from harness.executors.local import Waiting, execute
from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer, environment
from harness.isolation.limits import share_of_memory
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request, Result
from harness.record import Answer, Measured, Record
from harness.scratch import scratch
from harness.trial import Subject, Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays = Mapping[str, "NDArray[Any]"]


@dataclass(frozen=True, slots=True)
class Change:
    """Something an answer rests on, as it was recorded and as it is now; "" where it is not there or not known."""

    name: str
    before: str
    now: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """A record about to be asked again: its run's folder and kept plugin files, and what has changed since.

    `basis`: the parts of its basis (sources, versions, data). `machine`: the facts of the machine's fingerprint, which
    may round otherwise even where the basis leaves it out.
    """

    record: Record
    folder: Path
    plugin_files: tuple[Path, ...]
    basis: tuple[Change, ...]
    machine: tuple[Change, ...]

    @property
    def meaning(self) -> str:
        """What another answer would mean."""
        timed = self.record.trial.measure == "speed"
        if any(change.name != "machine" for change in self.basis):
            return "The code is another: another answer would be the new code's, and no fault of the record."
        if self.machine:
            return (
                "The machine is another: its times are not the record's to compare."
                if timed
                else "The machine is another: other kernels may round otherwise, so equal bits are not promised."
            )
        told = "the intervals should overlap" if timed else "the answer should be the same to the bit"
        return f"Nothing it rests on has changed: {told}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """The second answer."""

    result: Result
    arrays: Arrays


def prepare(record: Record, folder: Path) -> Replay:
    """Loads what the trial needs, and finds out what has changed since it was recorded in the run at `folder`.

    Raises HarnessError for a record without an answer, and where its cell, backend or task is no longer there.
    """
    if not record.answer:
        hint = "`harness run` asks it again"
        raise HarnessError(f"wanted a record with an answer, found one that ended as {record.status}", hint=hint)
    files = tuple(sorted((folder / store.PLUGINS).rglob("*.py")))
    catalog = plugins.load(files)
    trial = record.trial
    machine.require(trial.device, trial.threads)
    facts = machine.facts(trial.device)
    recorded = read_description(folder)
    versions = list(_versions(trial, catalog))  # first: it says in words what is not there
    parts = recorded.get("bases", {}).get(record.basis, {})
    return Replay(
        record=record,
        folder=folder,
        plugin_files=files,
        basis=(*versions, *_changes(parts, basis_of(trial, catalog, facts).parts)),
        machine=tuple(_changes(_of_machine(recorded.get("facts", {})), _of_machine(facts))),
    )


def ask(replay: Replay, timeout: float, stopping: Stopping) -> Generator[Waiting | Again, None, None]:
    """Runs the trial again, `timeout` seconds at most; nothing comes where it was interrupted."""
    trial = replay.record.trial
    with scratch() as folder:
        request = Request(
            trial=trial,
            folder=folder / trial.id,
            plugin_files=tuple(file.absolute() for file in replay.plugin_files),
            timeout=timeout,
            memory=share_of_memory(1),
            spawn=trial.device != "cpu",
        )
        with ForkServer(environment(trial.threads)) as server:
            for event in execute(server, [request], slots=1, stopping=stopping):
                if isinstance(event, Waiting):
                    yield event
                if isinstance(event, Outcome):
                    arrays = load_arrays(event.arrays) if event.arrays else {}
                    yield Again(result=event.result, arrays=arrays)


def differences(replay: Replay, again: Again) -> list[str]:
    """Where record and second answer part, a line each; empty where they agree.

    What no clock made must agree to the bit; of what a clock made, intervals must overlap. The record must also agree
    with itself: its values and arrays give the digest it bears.
    """
    record, result = replay.record, again.result
    if result.status != record.status:
        return [f"status: {record.status} recorded, {result.status} now ({result.reason or 'no reason given'})"]
    found = [*_values(record.values, result.values), *_intervals(record.values, result.values)]
    arrays = read_arrays(record, replay.folder)
    own = Answer(
        values=record.values, arrays=arrays, timed_arrays=frozenset(result.timed_arrays), status=record.status
    ).digest()
    if record.arrays and not arrays:
        found.append("the record's arrays are missing or damaged")
    else:
        found += _arrays(arrays, again)
        if own != record.answer:
            found.append(f"the record contradicts itself: its values give the answer {own}, it bears {record.answer}")
    if result.answer != record.answer and not found:
        found.append(f"answer: {record.answer} recorded, {result.answer} now")
    return found


def _versions(trial: Trial, catalog: plugins.Catalog) -> Iterator[Change]:
    """The declared versions of cell and task, where they have changed."""
    catalog.backend(trial.backend)
    if trial.versus is not None:
        catalog.backend(trial.versus)
    subjects = [("cell version", trial.cell, Subject.of(catalog.cell(trial.cell.spelling)))]
    if trial.task is not None:
        subjects.append(("task version", trial.task, Subject.of(catalog.task(trial.task.spelling))))
    for name, before, now in subjects:
        if before.version != now.version:
            yield Change(name, str(before.version), str(now.version))


def _of_machine(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the fingerprint is made of, every preset variable by its name."""
    found = {name: machine.relevant(facts, name) for name in machine.FINGERPRINT}
    return found | dict(found.pop("variables") or {})


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    for name in dict.fromkeys([*before, *now]):
        then, today = before.get(name, ""), now.get(name, "")
        if then != today:
            yield Change(name, str(then), str(today))


def _values(before: Mapping[str, Measured], now: Mapping[str, Measured]) -> Iterator[str]:
    for name in dict.fromkeys([*before, *now]):
        one, other = before.get(name), now.get(name)
        if one is None or other is None:
            yield f"{name}: only {'now' if one is None else 'recorded'}"
        elif not one.timed and _text(one) != _text(other):
            yield f"{name}: {one.value} recorded, {other.value} now"


def _intervals(before: Mapping[str, Measured], now: Mapping[str, Measured]) -> Iterator[str]:
    """Intervals that do not overlap: those of `<name>_low` and `<name>_high` which a clock made, and both have."""
    for name in [name.removesuffix("_low") for name, value in before.items() if value.timed and name.endswith("_low")]:
        found = [values.get(f"{name}_{end}") for values in (before, now) for end in ("low", "high")]
        ends = [float(one.value) for one in found if one is not None and one.value is not None]
        if len(ends) == len(found) and not (ends[0] <= ends[3] and ends[2] <= ends[1]):
            told = "[{:.3g}, {:.3g}] recorded, [{:.3g}, {:.3g}] now".format(*ends)
            yield f"{name}: the intervals do not overlap, {told}"


def _arrays(before: Arrays, again: Again) -> Iterator[str]:
    for name in dict.fromkeys([*before, *again.arrays]):
        one, other = before.get(name), again.arrays.get(name)
        if one is None or other is None:
            yield f"array {name}: only {'now' if one is None else 'recorded'}"
        elif name not in again.result.timed_arrays and _bits(one) != _bits(other):
            yield f"array {name}: other numbers"


def _text(measured: Measured) -> str:
    return canonical.dumps([measured.value, measured.unit])


def _bits(array: "NDArray[Any]") -> str:
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()
