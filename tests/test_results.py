"""`harness results`: what is recorded is verified, merged, exported and removed, and nothing else changes."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from faulty_disk import lost, some_records, write_run
from harness import journal, plugins, record, store
from harness.answered import read_answered
from harness.errors import HarnessError
from harness.record import Measured, Status
from harness.report.escaping import csv_text, latex_text
from harness.results.exporting import export
from harness.results.merging import merge
from harness.results.removing import of_stale, of_word, remove
from harness.results.verifying import verify
from harness.store import RECORDS, Planned, Results, RunWriter

RUN = "20300101-000000-run"


@pytest.fixture
def arrays(tmp_path):
    path = tmp_path / "curve.npz"
    np.savez(path, step=np.arange(3))
    return path


@pytest.fixture
def recorded(tmp_path, arrays):
    """A results folder with one run of three records, and those records."""
    acknowledged = []
    write_run(tmp_path / "results", some_records(3), arrays, acknowledged)
    return tmp_path / "results", acknowledged


def _files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _append(results, plain):
    writer = journal.Journal(results / "runs" / RUN / RECORDS)
    writer.append(plain)
    writer.close()


def test_verify_counts_what_is_there_and_exits_with_0(command, recorded):
    done = command("results", "verify", "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["sound"]) == (0, True)
    assert [(run["records"], run["planned"], run["arrays"]) for run in found["runs"]] == [(3, 3, 3)]


def test_verify_finds_a_damaged_line_a_damaged_array_and_a_missing_one_and_exits_with_1(command, recorded):
    results, acknowledged = recorded
    run = results / "runs" / RUN
    (run / acknowledged[0].arrays["file"]).write_bytes(b"another curve")
    (run / acknowledged[1].arrays["file"]).unlink()
    with (run / RECORDS).open("ab") as file:
        file.write(b"{nonsense}\n")
    before = _files(results)
    done = command("results", "verify")
    assert done.returncode == 1
    assert f"{acknowledged[0].arrays['file']}: damaged" in done.stdout
    assert f"{acknowledged[1].arrays['file']}: missing" in done.stdout
    assert "1 damaged lines" in done.stdout
    assert _files(results) == before


def test_a_record_of_a_newer_version_is_told_and_kept(recorded):
    results, acknowledged = recorded
    newer = acknowledged[0].to_plain() | {"schema": record.SCHEMA + 1, "answer": "newer"}
    _append(results, newer)
    with Results(results) as opened:
        assert opened.repair() == 0
    (run,) = verify(results).runs
    assert (run.records, run.foreign, run.is_sound) == (3, 1, True)
    assert store.read_run(results).foreign == 1
    assert read_answered(results)[acknowledged[0].id, "b"].status == Status.OK
    assert newer in journal.read(results / "runs" / RUN / RECORDS).intact


def test_a_record_of_an_older_version_is_read(recorded, monkeypatch):
    results, acknowledged = recorded
    before = _files(results)
    monkeypatch.setattr(record, "SCHEMA", 2)
    monkeypatch.setattr(record, "UPGRADES", {1: lambda plain: plain | {"schema": 2, "reason": "read as of old"}})
    assert [one.reason for _, one in store.read_all(results)] == ["read as of old"] * 3
    assert {answer.reason for answer in read_answered(results).values()} == {"read as of old"}
    assert store.read_run(results).records.keys() == {one.id for one in acknowledged}
    assert _files(results) == before


def test_answers_that_differ_on_one_machine_are_told(recorded):
    results, acknowledged = recorded
    _append(results, replace(acknowledged[0], answer="another").to_plain())
    assert verify(results).conflicts == (acknowledged[0].id,)


def test_merging_is_a_union_and_merging_again_changes_nothing(tmp_path, arrays, recorded):
    results, acknowledged = recorded
    other, theirs = tmp_path / "other", []
    write_run(other, some_records(2, hidden=7), arrays, theirs, "20300102-000000-run")
    write_run(other, some_records(2, hidden=8), arrays, theirs, "20300103-000000-run")
    before = _files(other)
    assert [one.new for one in merge(results, (other,))] == [2, 2]
    assert not lost(results, [*acknowledged, *theirs])
    merged = _files(results)
    assert [(one.new, one.known) for one in merge(results, (other,))] == [(0, 2), (0, 2)]
    assert _files(results) == merged
    assert _files(other) == before | {path: b"" for path in before if path.name == ".lock"}


def test_two_runs_of_one_name_are_kept_apart_with_their_machines(tmp_path, arrays, recorded):
    results, _ = recorded
    other = tmp_path / "other"
    theirs = [replace(one, answer="theirs") for one in some_records(3)]
    arrays.write_bytes(b"their curve")
    with Results(other) as opened:
        writer = RunWriter(opened.new_run(RUN))
        described = {"grid": {"name": "g"}, "facts": {"fingerprint": "their machine"}, "token": "theirs"}
        writer.describe(described, [Planned(trial=one.trial, basis="b") for one in theirs], [])
        for one in theirs:
            writer.write(replace(one, arrays=writer.keep_arrays(one.id, arrays)))
        writer.close()
    assert [one.name for one in merge(results, (other,))] == [f"{RUN}-2"]
    assert [one.name for one in merge(results, (other,))] == [f"{RUN}-2"]
    found = {(run, one.answer) for run, one in store.read_all(results)}
    assert found == {(RUN, "a"), (f"{RUN}-2", "theirs")}
    assert set(store.read_run(results, RUN).machines.values()) == {"their machine"}
    assert verify(results).is_sound


def test_a_run_copied_while_it_ran_gets_its_later_lines_and_heals_an_array(tmp_path, recorded):
    results, acknowledged = recorded
    early = tmp_path / "early"
    shutil.copytree(results, early)
    run = early / "runs" / RUN
    run.joinpath(RECORDS).write_bytes(b"".join(run.joinpath(RECORDS).read_bytes().splitlines(keepends=True)[:1]))
    (run / acknowledged[0].arrays["file"]).write_bytes(b"damaged")
    assert [(one.name, one.new, one.known) for one in merge(early, (results,))] == [(RUN, 2, 1)]
    assert not lost(early, acknowledged)


def test_a_record_never_names_a_file_outside_its_run(tmp_path, recorded):
    results, acknowledged = recorded
    shutil.copyfile(results / "runs" / RUN / acknowledged[0].arrays["file"], tmp_path / "secret")
    outside = {"file": "../../../secret", "sha256": acknowledged[0].arrays["sha256"]}
    _append(results, replace(acknowledged[0], arrays=outside).to_plain())
    assert verify(results).runs[0].wrong == ("../../../secret",)
    assert [one.new for one in merge(tmp_path / "merged", (results,))] == [4]
    remove(results, of_word(results, acknowledged[0].id))
    assert (tmp_path / "secret").exists()


def test_arrays_that_are_no_arrays_are_as_good_as_missing(tmp_path, recorded):
    results, acknowledged = recorded
    arrays = tmp_path / "objects.npz"
    np.savez(arrays, step=np.array([{"an": "object"}], dtype=object))
    with Results(results):
        writer = RunWriter(results / "runs" / RUN)
        writer.write(replace(acknowledged[0], arrays=writer.keep_arrays("0" * 16, arrays)))
        writer.close()
    assert store.read_run(results).arrays(acknowledged[0].id) == {}


def test_rm_asks_first_and_takes_one_trial_with_its_arrays(command, recorded):
    results, acknowledged = recorded
    gone, *kept = acknowledged
    refused = command("results", "rm", gone.id[:6])
    assert refused.returncode == 130
    assert not lost(results, acknowledged)
    done = command("results", "rm", gone.id[:6], "--yes")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (0, "1 records removed")
    assert not lost(results, kept)
    assert lost(results, [gone])
    assert not (results / "runs" / RUN / gone.arrays["file"]).exists()


def test_rm_takes_a_run_whole(recorded):
    results, _ = recorded
    assert remove(results, of_word(results, RUN)) == 3
    assert not any((results / "runs").iterdir())


@pytest.mark.parametrize("word", ["", "ab", "0123456789abcdef", "no-such-run"])
def test_rm_refuses_a_word_that_names_nothing_or_much(recorded, word):
    with pytest.raises(HarnessError, match="wanted"):
        of_word(recorded[0], word)


def test_stale_is_what_other_sources_made_and_never_what_another_machine_made(tmp_path, catalog):
    from harness.basis import basis_of

    facts = {"torch": "2", "numpy": "2"}
    (one,) = some_records(1)
    present = basis_of(one.trial, catalog, facts | {"cpu": "another"})
    bases = {
        "elsewhere": dict(present.parts),
        "changed": dict(present.parts) | {"cell": "of old"},
        "unknown": None,
    }
    with Results(tmp_path) as opened:
        writer = RunWriter(opened.new_run("run"))
        writer.describe({"bases": {name: parts for name, parts in bases.items() if parts}}, [], [])
        for basis in bases:
            writer.write(replace(one, basis=basis))
        writer.close()
    removal = of_stale(tmp_path, catalog, facts)
    assert (removal.records, removal.kept) == ({"run": 1}, 1)
    assert remove(tmp_path, removal) == 1
    assert [record.basis for _, record in store.read_all(tmp_path)] == ["elsewhere", "unknown"]


def test_what_a_plugin_not_loaded_has_made_is_never_stale(recorded):
    empty = plugins.Catalog(cells={}, backends={}, tasks={})
    removal = of_stale(recorded[0], empty, {"torch": "2", "numpy": "2"})
    assert (removal.is_empty, removal.kept) == (True, 3)


def test_every_format_holds_every_record(tmp_path, recorded):
    results, acknowledged = recorded
    ids = [one.id for one in acknowledged]
    export(results, "csv", tmp_path / "records.csv", None)
    assert list(pd.read_csv(tmp_path / "records.csv")["id"]) == ids
    export(results, "parquet", tmp_path / "records.parquet", None)
    assert list(pd.read_parquet(tmp_path / "records.parquet")["id"]) == ids
    assert [row["id"] for row in json.loads(export(results, "json", None, RUN))["records"]] == ids
    assert r"\toprule" in export(results, "latex", None, None)


def test_values_of_mixed_types_and_no_numbers_are_exported(tmp_path, recorded):
    results, acknowledged = recorded
    odd = {"a": Measured("text"), "train_peak_bytes": Measured(float("nan")), "b": Measured(True)}
    _append(results, replace(acknowledged[0], values=odd).to_plain())
    _append(results, replace(acknowledged[1], values={"a": Measured(1), "b": Measured(0.5)}).to_plain())
    export(results, "parquet", tmp_path / "records.parquet", None)
    frame = pd.read_parquet(tmp_path / "records.parquet")
    assert list(frame["value.a"].dropna()) == ["text", "1"]
    found = json.loads(export(results, "json", None, None))["records"]
    assert found[3]["value.train_peak_bytes"] == {"$float": "nan"}


def test_parquet_without_pyarrow_or_file_is_refused_in_words(tmp_path, recorded, monkeypatch):
    import importlib.util

    with pytest.raises(HarnessError, match="wanted a file for parquet"):
        export(recorded[0], "parquet", None, None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(HarnessError, match="wanted pyarrow"):
        export(recorded[0], "parquet", tmp_path / "records.parquet", None)


def test_no_text_becomes_a_formula_in_a_spreadsheet(tmp_path, recorded):
    results, acknowledged = recorded
    evil = '=HYPERLINK("http://example.org")'
    reason = {"values": {"+x": Measured(-1.5)}, "reason": evil}
    _append(results, replace(acknowledged[0], **reason).to_plain())
    frame = pd.read_csv(pd.io.common.StringIO(export(results, "csv", None, None)))
    assert frame["reason"].iloc[-1] == "'" + evil
    assert frame["value.+x"].iloc[-1] == -1.5
    assert [csv_text(sign + "1") for sign in "=+-@\t\r"] == ["'" + sign + "1" for sign in "=+-@\t\r"]
    assert csv_text("lstm") == "lstm"


def test_no_name_is_a_command_in_latex():
    assert latex_text(r"\input{/etc/passwd}") == r"\textbackslash{}input\{/etc/passwd\}"
    assert latex_text("a_b & 100 % of $x^2 #1 ~") == (r"a\_b \& 100 \% of \$x\textasciicircum{}2 \#1 \textasciitilde{}")


def test_merging_a_folder_with_itself_or_with_none_is_refused(tmp_path, recorded):
    results, _ = recorded
    with pytest.raises(HarnessError, match="found itself"):
        [*merge(results, (results,))]
    with pytest.raises(HarnessError, match="wanted a results folder"):
        [*merge(results, (tmp_path,))]
