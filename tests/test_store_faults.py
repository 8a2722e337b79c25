"""What was acknowledged survives whatever the disk does: a sample of `make faults`, every injection with its seed."""

import contextlib
import os
import random
import shutil
from dataclasses import dataclass
from functools import partial

import pytest

from faulty_disk import FAULTS, Crash, FaultyDisk, lost, some_records, write_run
from harness import journal, store
from harness.errors import HarnessError
from harness.results.merging import merge
from harness.results.removing import of_word, remove
from harness.results.verifying import verify
from harness.store import RECORDS, Results

SEED = 7
RECORDED = 3


@dataclass(frozen=True)
class Depth:
    """Every so many-th place is tried, for an error every one; what the disk holds after a crash is drawn so often."""

    stride: int
    draws: int

    def places(self, count):
        """The places out of so many."""
        return range(SEED % self.stride, count, self.stride)

    def injections(self, fault, calls):
        """At which call, and with which seed: only a crash depends on what is drawn."""
        draws = self.draws if fault == "crash" else 1
        places = range(calls) if fault == "error" else self.places(calls)
        return [(at, 1000 * at + draw) for at in places for draw in range(draws)]


@pytest.fixture
def depth():
    """A sample: `faults/` tries everything."""
    return Depth(stride=5, draws=1)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Nobody pulls the plug of this machine: what a sync is for, `FaultyDisk` plays."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "curve.npz"
    path.write_bytes(b"any bytes: a file is a file")
    return path


@pytest.fixture
def earlier(tmp_path, arrays, no_waiting):
    """A results folder with one run, whose last line was torn by a crash; and what was acknowledged of it."""
    acknowledged = []
    results = tmp_path / "results"
    write_run(results, some_records(RECORDED), arrays, acknowledged)
    with (results / "runs" / "20300101-000000-run" / RECORDS).open("ab") as file:
        file.write(b'{"answer":"a","torn')
    return results, acknowledged


def inject(monkeypatch, work, at, fault, seed):
    """Does the work on a disk that fails; the only error that comes out is one sentence."""
    with monkeypatch.context() as patched:
        disk = FaultyDisk(patched, at, fault, seed)
        with contextlib.suppress(HarnessError, Crash):
            work()
    if disk.dead:
        disk.settle()


def calls_of(monkeypatch, work):
    with monkeypatch.context() as patched:
        disk = FaultyDisk(patched)
        work()
    return disk.calls


@pytest.mark.parametrize("fault", FAULTS)
def test_a_run_on_a_failing_disk_loses_nothing_it_acknowledged(fault, tmp_path, earlier, arrays, monkeypatch, depth):
    template, before = earlier
    more = some_records(RECORDED, hidden=5)
    calls = calls_of(monkeypatch, lambda: write_run(copied(template, tmp_path / "whole"), more, arrays, []))
    for at, seed in depth.injections(fault, calls):
        results, acknowledged = copied(template, tmp_path / f"{fault}{seed}"), [*before]
        work = partial(write_run, results, more, arrays, acknowledged, "20300102-run")
        inject(monkeypatch, work, at, fault, seed)
        assert not lost(results, acknowledged), f"{fault} at call {at}, seed {seed}"
        write_run(results, some_records(1, hidden=9), arrays, acknowledged)
        assert not lost(results, acknowledged), f"{fault} at call {at}, seed {seed}, and then a run"
    print(f"{fault} while a run is written: {len(depth.injections(fault, calls))} injections, 0 lost")


def test_a_folder_made_just_now_survives_a_crash(tmp_path, arrays, monkeypatch, depth):
    calls = calls_of(monkeypatch, lambda: write_run(tmp_path / "whole", some_records(2), arrays, []))
    for at, seed in depth.injections("crash", calls):
        results, acknowledged = tmp_path / f"new{seed}", []
        inject(monkeypatch, partial(write_run, results, some_records(2), arrays, acknowledged), at, "crash", seed)
        assert not lost(results, acknowledged), f"crash at call {at}, seed {seed}"
    print(f"crash in a new folder: {len(depth.injections('crash', calls))} injections, 0 lost")


@pytest.mark.parametrize("fault", FAULTS)
def test_merging_and_removing_on_a_failing_disk_lose_nothing_else(fault, tmp_path, earlier, arrays, monkeypatch, depth):
    template, before = earlier
    source, others = tmp_path / "source", []
    write_run(source, some_records(2, hidden=6), arrays, others, "other")
    gone, kept = before[0], before[1:]

    def work(results):
        assert [*merge(results, (source,))]
        remove(results, of_word(results, gone.id))

    whole = copied(template, tmp_path / "whole")
    calls = calls_of(monkeypatch, partial(work, whole))
    assert not lost(whole, [*kept, *others])
    assert lost(whole, [gone])
    for at, seed in depth.injections(fault, calls):
        results = copied(template, tmp_path / f"{fault}{seed}")
        inject(monkeypatch, partial(work, results), at, fault, seed)
        assert not lost(results, kept), f"{fault} at call {at}, seed {seed}"
        assert not lost(source, others), f"{fault} at call {at}, seed {seed}"
        assert [*merge(results, (source,))]
        assert not lost(results, [*kept, *others]), f"{fault} at call {at}, seed {seed}, and then again"
    print(f"{fault} while merging and removing: {len(depth.injections(fault, calls))} injections, 0 lost")


def test_a_journal_cut_at_any_byte_keeps_every_whole_line_and_takes_the_next(tmp_path):
    records = some_records(RECORDED)
    lines = [journal.line_of(record.to_plain()) for record in records]
    whole, path = b"".join(lines), tmp_path / RECORDS
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal.repair(path)
        writer = journal.Journal(path)
        writer.append({"next": cut})
        writer.close()
        ends = [len(b"".join(lines[: n + 1])) for n in range(RECORDED)]
        complete = sum(cut >= end - 1 for end in ends)  # the newline may lack
        read = journal.read(path)
        assert read.intact == [*(record.to_plain() for record in records[:complete]), {"next": cut}], f"cut at {cut}"
        assert not read.damaged
    print(f"cut: {len(whole) + 1} injections, 0 lost")


def test_a_bit_flipped_in_any_byte_is_noticed_and_costs_no_other_line(tmp_path, depth):
    draw = random.Random(SEED)
    plains = [record.to_plain() for record in some_records(RECORDED)]
    whole, path = b"".join(map(journal.line_of, plains)), tmp_path / RECORDS
    for place in range(len(whole)):
        bit = draw.randrange(8)
        flipped = bytearray(whole)
        flipped[place] ^= 1 << bit
        path.write_bytes(flipped)
        read = journal.read(path)
        assert all(plain in plains for plain in read.intact), f"bit {bit} of byte {place}, seed {SEED}"
        hit = 2 if whole[place] == ord("\n") and place + 1 < len(whole) else 1
        assert len(read.intact) >= RECORDED - hit, f"bit {bit} of byte {place}, seed {SEED}"
        assert read.damaged or read.intact == plains
        if place in depth.places(len(whole)):
            repaired = journal.repair(path)
            assert (repaired, journal.read(path).intact) == (len(read.damaged), read.intact)
    print(f"bit flipped: {len(whole)} injections, seed {SEED}, 0 lost unnoticed")


def test_a_second_writer_is_refused_at_every_moment_and_harms_nothing(tmp_path, arrays, monkeypatch):
    results, acknowledged, refused = tmp_path / "results", [], 0
    real = store.RunWriter.write

    def write(writer, record):
        nonlocal refused
        for _ in range(3):
            with pytest.raises(HarnessError, match="another run is writing"):
                write_run(results, some_records(1), arrays, [])
            refused += 1
        real(writer, record)

    with monkeypatch.context() as patched:
        patched.setattr(store.RunWriter, "write", write)
        write_run(results, some_records(RECORDED), arrays, acknowledged)
    assert refused == 3 * RECORDED
    assert not lost(results, acknowledged)


def test_a_read_only_folder_is_refused_in_one_sentence_and_read_all_the_same(earlier, arrays, monkeypatch):
    results, acknowledged = earlier
    real = os.open

    def refusing(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(30, os.strerror(30))
        return real(path, flags, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refusing)
        with pytest.raises(HarnessError, match=r"cannot write to the results folder .*Read-only"):
            write_run(results, some_records(1), arrays, [])
        assert sum(run.records for run in verify(results).runs) == len(acknowledged)
    assert not lost(results, acknowledged)


def test_after_an_fsync_that_failed_nothing_more_is_claimed(tmp_path, arrays, monkeypatch):
    records = some_records(RECORDED)
    with Results(tmp_path / "results") as opened:
        writer = store.RunWriter(opened.new_run("run"))
        writer.write(records[0])
        with monkeypatch.context() as patched:
            patched.setattr(os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(5, "Input/output error")))
            with pytest.raises(HarnessError, match="Input/output error"):
                writer.write(records[1])
        with pytest.raises(HarnessError, match="an earlier line could not be written"):
            writer.write(records[2])
        writer.close()
    assert [record for _, record in store.read_all(tmp_path / "results")] == records[:1]


def copied(template, to):
    return shutil.copytree(template, to)
