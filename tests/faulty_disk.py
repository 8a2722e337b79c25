"""A disk that fails where it is told to, at the level of the system's calls: what the store's fault tests share."""

import errno
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path

from harness import store
from harness.record import Measured, Record, Status
from harness.results.verifying import verify
from harness.settings import LayerShape
from harness.store import Planned, Results, RunWriter
from harness.trial import Subject, Trial

CALLS = ("open", "write", "fsync", "ftruncate", "replace", "mkdir")
FAULTS = ("error", "broken", "short", "full", "crash")
"""One call fails; it and all later ones fail; a write is cut short; the disk is full from there on; the power goes."""


class Crash(BaseException):
    """The power is gone: nothing the process does from here on reaches the disk."""


class FaultyDisk:
    """Counts the calls of the functions in `CALLS`, and lets the one numbered `at` fail in the manner of `fault`.

    Syncing costs no time: what is synced is only remembered. After a crash, `settle` leaves what a disk may hold: of
    what was not synced anything between nothing and all.
    """

    def __init__(self, monkeypatch, at=-1, fault="error", seed=0):
        self.at, self.fault, self.calls, self.dead = at, fault, 0, False
        self.draw = random.Random(seed)
        self.real = {name: getattr(os, name) for name in CALLS}
        self.synced: dict[str, int] = {}
        self.unsure: list[tuple[str, bytes | None]] = []
        for name in CALLS:
            monkeypatch.setattr(os, name, getattr(self, name))

    def hit(self, name):
        """Whether this call is the one that fails; raises where it does so by an error."""
        if self.dead:
            raise Crash
        self.calls += 1
        reached = self.calls - 1 >= self.at >= 0
        if not reached or (self.calls - 1 > self.at and self.fault in ("error", "short", "crash")):
            return False
        if self.fault == "crash":
            self.dead = True
            if name != "write":
                raise Crash
            return True
        if self.fault in ("short", "full"):
            return name == "write"
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    # The system's functions, by their own names.

    def open(self, path, flags, *rest, **more):
        new = flags & os.O_CREAT and not Path(path).exists()
        self.hit("open")
        handle = self.real["open"](path, flags, *rest, **more)
        if new:
            self.unsure.append((str(path), None))
        return handle

    def write(self, handle, data):
        self.synced.setdefault(_path(handle), os.fstat(handle).st_size)
        if not self.hit("write"):
            return self.real["write"](handle, data)
        part = data[: self.draw.randrange(len(data))] if data else data
        written = self.real["write"](handle, part)
        if self.dead:
            raise Crash
        if self.fault == "full" and not part:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return written

    def fsync(self, handle):
        self.hit("fsync")
        path = _path(handle)
        self.synced[path] = os.fstat(handle).st_size
        self.unsure = [(name, old) for name, old in self.unsure if str(Path(name).parent) != path]

    def ftruncate(self, handle, size):
        self.hit("ftruncate")
        self.real["ftruncate"](handle, size)

    def replace(self, source, target, **more):
        self.hit("replace")
        old = Path(target).read_bytes() if Path(target).is_file() else None
        self.real["replace"](source, target, **more)
        self.synced[str(target)] = self.synced.pop(str(source), 0)
        self.unsure = [(name, before) for name, before in self.unsure if name != str(source)]
        self.unsure.append((str(target), old))

    def mkdir(self, path, *rest, **more):
        self.hit("mkdir")
        self.real["mkdir"](path, *rest, **more)
        self.unsure.append((str(path), None))

    def settle(self):
        """What is on the disk after the crash."""
        for name, size in self.synced.items():
            if Path(name).is_file() and (there := Path(name).stat().st_size) > size:
                os.truncate(name, self.draw.randint(size, there))
        for name, old in reversed(self.unsure):
            if self.draw.random() < 0.5:
                _put_back(Path(name), old)


def _path(handle):
    return str(Path(f"/proc/self/fd/{handle}").readlink())


def _put_back(path, old):
    if old is not None:
        path.write_bytes(old)
    elif path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def some_records(count, hidden=3):
    cell = Subject(name="rnn", version=1)
    shapes = [LayerShape(batch=1, length=length + 1, hidden=hidden, inputs=4) for length in range(count)]
    return [
        Record(
            trial=Trial(measure="memory", cell=cell, backend="torch", shape=shape),
            status=Status.OK,
            basis="b",
            values={"train_peak_bytes": Measured(shape.length, "bytes")},
            answer="a",
        )
        for shape in shapes
    ]


def write_run(results, records, arrays, acknowledged, name="20300101-000000-run"):
    """A run as the session writes it; every record that `write` has returned for is acknowledged."""
    with Results(results) as opened:
        opened.repair()
        writer = RunWriter(opened.new_run(name))
        try:
            described = {"grid": {"name": "g", "title": ""}, "facts": {}, "token": name}
            writer.describe(described, [Planned(trial=record.trial, basis="b") for record in records], [])
            for record in records:
                whole = replace(record, arrays=writer.keep_arrays(record.id, arrays))
                writer.write(whole)
                acknowledged.append(whole)
        finally:
            writer.close()


def lost(results, acknowledged):
    """What was acknowledged and cannot be read any more, with its arrays, after the next run's repair."""
    with Results(results) as opened:
        opened.repair()
    found = {record.id: record for _, record in store.read_all(results)}
    check = verify(results)
    assert not sum(run.damaged for run in check.runs)
    broken = {name for run in check.runs for name in (*run.missing, *run.wrong)}
    return [
        record
        for record in acknowledged
        if found.get(record.id) != record or (record.arrays and record.arrays["file"] in broken)
    ]
