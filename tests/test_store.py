"""Records on disk: what was acknowledged is read again, whatever happened to the file."""

import json

import pandas as pd
import pytest

from harness import journal, store
from harness.errors import HarnessError
from harness.record import Measured, Record, Status
from harness.results.verifying import verify
from harness.settings import LayerShape
from harness.spelling import parse
from harness.store import Planned, Results, RunWriter
from harness.trial import Subject, Trial


@pytest.fixture
def records(catalog):
    cell = Subject.of(catalog.cell(parse("rnn")))
    return [
        Record(
            trial=Trial(
                measure="memory",
                cell=cell,
                backend="torch",
                shape=LayerShape(batch=1, length=length, hidden=3, inputs=4),
            ),
            status=Status.OK,
            basis="b",
            values={"train_peak_bytes": Measured(float("inf") if length == 2 else length, "bytes")},
            answer="a",
        )
        for length in (1, 2, 3)
    ]


def _write(folder, records):
    journal_file = journal.Journal(folder / "records.jsonl")
    for record in records:
        journal_file.append(record.to_plain())
    journal_file.close()
    return folder / "records.jsonl"


def _plain(path):
    return [Record.from_plain(line) for line in journal.read(path).intact]


def test_records_are_read_back_as_they_were_written(tmp_path, records):
    assert _plain(_write(tmp_path, records)) == records


def test_pandas_reads_the_lines(tmp_path, records):
    frame = pd.read_json(_write(tmp_path, records), lines=True)
    assert list(frame["id"]) == [record.id for record in records]


def test_damaged_lines_are_set_aside_not_deleted(tmp_path, records):
    path = _write(tmp_path, records)
    path.write_bytes(b"nonsense\n" + path.read_bytes())
    assert journal.repair(path) == 1
    assert (tmp_path / "records.jsonl.damaged").read_bytes() == b"nonsense\n"
    assert _plain(path) == records


def test_a_short_write_leaves_the_file_as_it_was(tmp_path, records, monkeypatch):
    path = _write(tmp_path, records[:1])
    writer = journal.Journal(path)
    real = journal.os.write
    monkeypatch.setattr(journal.os, "write", lambda handle, data: real(handle, data[: len(data) // 2]))
    with pytest.raises(OSError, match="in part"):
        writer.append(records[1].to_plain())
    monkeypatch.undo()
    writer.append(records[2].to_plain())
    assert _plain(path) == [records[0], records[2]]


@pytest.mark.parametrize("value", [10**400, 2**63, [1.0], object()])
def test_a_value_that_no_reader_of_records_knows_is_none(value):
    with pytest.raises(HarnessError, match="wanted a number of 64 bits or a text"):
        Measured(value)


def test_what_cannot_be_read_is_said_in_words(tmp_path, records):
    _run(tmp_path, records, [])
    (path,) = tmp_path.glob("runs/*/records.jsonl")
    path.unlink()
    path.mkdir()
    with pytest.raises(HarnessError, match=r"wanted a file, found something else at .*records\.jsonl"):
        store.read_run(tmp_path)


CHANGES = {
    "a plan of numbers": lambda run: run | {"planned": [1]},
    "no grid": lambda run: {name: value for name, value in run.items() if name != "grid"},
    "facts of a list": lambda run: run | {"facts": []},
    "a cell of no name": lambda run: run | {"planned": [_changed(run["planned"][0], "name", {})]},
    "a cell of no version": lambda run: run | {"planned": [_changed(run["planned"][0], "version", [])]},
    "a cell of no spelling": lambda run: run | {"planned": [_changed(run["planned"][0], "spelling", None)]},
}


def _changed(planned, name, value):
    trial = planned["trial"]
    return planned | {"trial": trial | {"cell": trial["cell"] | {name: value}}}


@pytest.mark.parametrize("change", CHANGES)
def test_a_description_that_is_not_of_its_form_is_said_to_be_damaged(tmp_path, records, change):
    _run(tmp_path, records, [Planned(trial=records[0].trial, basis="b")])
    (path,) = tmp_path.glob("runs/*/run.json")
    path.write_text(json.dumps(CHANGES[change](json.loads(path.read_text()))))
    with pytest.raises(HarnessError, match=r"run\.json is damaged"):
        store.read_run(tmp_path)
    assert verify(tmp_path).runs[0].description.startswith(str(path))


@pytest.mark.parametrize("name", ["basis", "reason", "output", "seconds", "attempts", "machine"])
def test_a_line_that_is_not_of_its_form_is_foreign(tmp_path, records, name):
    _run(tmp_path, records[1:], [])
    (path,) = tmp_path.glob("runs/*/records.jsonl")
    path.write_bytes(path.read_bytes() + journal.line_of(records[0].to_plain() | {name: [1]}))
    (run,) = verify(tmp_path).runs
    assert (run.records, run.foreign, run.damaged) == (2, 1, 0)


def test_a_second_writer_is_refused(tmp_path):
    with Results(tmp_path), pytest.raises(HarnessError, match="another run"), Results(tmp_path):
        pass


def test_an_unwritable_folder_is_said_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot write"), Results(tmp_path / "file" / "results"):
        pass


def _run(results, records, planned):
    with Results(results) as opened:
        writer = RunWriter(opened.new_run("run"))
        writer.describe({"grid": {"name": "g", "title": ""}, "facts": {}}, planned, ["x@y: no"])
        for record in records:
            writer.write(record)
        writer.close()


def test_a_run_finds_its_answers_in_every_run_of_the_folder(tmp_path, records):
    planned = [Planned(trial=record.trial, basis="b") for record in records]
    _run(tmp_path, records[:1], planned)
    _run(tmp_path, records[1:2], planned)
    view = store.read_run(tmp_path)
    assert set(view.records) == {records[0].id, records[1].id}
    assert len(view.planned) == 3
    assert view.impossible == ("x@y: no",)


def test_an_answer_on_another_basis_is_no_answer(tmp_path, records):
    _run(tmp_path, records, [Planned(trial=record.trial, basis="another") for record in records])
    assert not store.read_run(tmp_path).records


def test_a_timeout_never_hides_an_answer(tmp_path, records):
    from dataclasses import replace

    planned = [Planned(trial=records[0].trial, basis="b")]
    _run(tmp_path, [records[0]], planned)
    _run(tmp_path, [replace(records[0], status=Status.TIMEOUT)], planned)
    assert store.read_run(tmp_path).records[records[0].id].status == Status.OK


def test_a_line_stays_below_8_kilobytes(records):
    from dataclasses import replace

    record = replace(records[0], reason="r" * 1000, output="o" * 3000)
    assert len(json.dumps(record.to_plain())) < 8192
