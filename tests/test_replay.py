"""Replay: a recorded trial asked again gives the same answer, or it is said where they part and what has changed."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness import canonical, store
from harness.errors import HarnessError
from harness.isolation.request import Result
from harness.journal import Journal
from harness.record import Answer, Measured, Record, Status
from harness.replay import Again, Replay, differences, prepare
from harness.settings import LayerShape
from harness.trial import Subject, Trial

CELL = Subject(name="rnn", version=1)
SHAPE = LayerShape(batch=2, length=3, hidden=4, inputs=2)


def recorded(folder, **changes):
    """A record with two arrays, one of them a clock's, as a run keeps it."""
    arrays = {"loss": np.array([0.5, 0.25]), "seconds": np.array([1.0, 2.0])}
    values = {
        "mse": Measured(float("nan")),
        "train_speedup_low": Measured(1.0, timed=True),
        "train_speedup_high": Measured(1.2, timed=True),
    } | changes.pop("values", {})
    answer = Answer(values=values, arrays=arrays, timed_arrays=frozenset({"seconds"}))
    (folder / store.ARRAYS).mkdir(parents=True, exist_ok=True)
    np.savez(folder / "made.npz", **arrays)
    writer = store.RunWriter(folder)
    trial = Trial(measure="speed", cell=CELL, backend="torch", shape=SHAPE, versus="eager")
    kept = writer.keep_arrays(trial.id, folder / "made.npz")
    writer.close()
    record = Record(
        trial=trial, status=Status.OK, basis="b", values=values, arrays=kept, answer=answer.digest(), **changes
    )
    result = Result(status=Status.OK, values=values, answer=record.answer, timed_arrays=("seconds",))
    return Replay(record=record, folder=folder, plugin_files=(), basis=(), machine=()), Again(
        result=result, arrays=arrays
    )


def again_with(again, answer="another", **values):
    changed = replace(again.result, values={**again.result.values, **values}, answer=answer)
    return replace(again, result=changed)


def test_the_same_values_and_arrays_are_the_same_whatever_a_clock_says(tmp_path):
    replay, again = recorded(tmp_path)
    slower = replace(again, arrays=again.arrays | {"seconds": np.array([9.0, 9.0])})
    assert differences(replay, slower) == []
    overlapping = {"train_speedup_low": Measured(1.1, timed=True), "train_speedup_high": Measured(1.9, timed=True)}
    assert differences(replay, again_with(slower, replay.record.answer, **overlapping)) == []


def test_what_differs_is_named(tmp_path):
    replay, again = recorded(tmp_path)
    assert differences(replay, again_with(again, mse=Measured(0.1))) == ["mse: nan recorded, 0.1 now"]
    other = replace(again, arrays=again.arrays | {"loss": np.array([0.5, 0.250000001])})
    assert differences(replay, other) == ["array loss: other numbers"]
    assert differences(replay, again_with(again)) == [f"answer: {replay.record.answer} recorded, another now"]
    failed = replace(again, result=Result(status=Status.TIMEOUT, reason="no result within 1 s", values={}))
    assert differences(replay, failed) == ["status: ok recorded, timeout now (no result within 1 s)"]


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.9), (1.3, 1.4)])
def test_intervals_of_times_must_overlap(tmp_path, low, high):
    replay, again = recorded(tmp_path)
    ends = {"train_speedup_low": Measured(low, timed=True), "train_speedup_high": Measured(high, timed=True)}
    (told,) = differences(replay, again_with(again, replay.record.answer, **ends))
    assert told.startswith("train_speedup: the intervals do not overlap, [1, 1.2] recorded")


def test_an_interval_that_only_one_of_them_has_is_named_and_compared_with_nothing(tmp_path):
    replay, again = recorded(tmp_path, values={"forward_speedup_low": Measured(1.0, timed=True)})
    kept = {name: value for name, value in again.result.values.items() if name != "train_speedup_high"}
    assert differences(replay, replace(again, result=replace(again.result, values=kept))) == [
        "train_speedup_high: only recorded"
    ]


def test_a_record_that_contradicts_itself_is_not_the_same(tmp_path):
    replay, again = recorded(tmp_path)
    tampered = replace(replay.record, values={**replay.record.values, "mse": Measured(0.1)})
    found = differences(replace(replay, record=tampered), again)
    assert found[0] == "mse: 0.1 recorded, nan now"
    assert "contradicts itself" in found[1]
    (tmp_path / replay.record.arrays["file"]).write_bytes(b"")
    assert differences(replay, again) == ["the record's arrays are missing or damaged"]


def test_what_has_changed_since_is_told_part_by_part(catalog, tmp_path):
    from harness import machine
    from harness.basis import basis_of

    trial, facts = Trial(measure="memory", cell=CELL, backend="torch", shape=SHAPE), machine.facts()
    basis = basis_of(trial, catalog, facts)
    record = Record(trial=trial, status=Status.OK, basis="old", answer="a")

    def since(parts, facts):
        (tmp_path / "run.json").write_text(canonical.dumps({"bases": {"old": parts}, "facts": facts}))
        found = prepare(record, tmp_path)
        return [c.name for c in found.basis], [c.name for c in found.machine], found.meaning

    assert since(basis.parts, facts)[:2] == ([], [])
    assert "same to the bit" in since(basis.parts, facts)[2]
    names, machines, meaning = since({**basis.parts, "torch": "1.0", "core": "x"}, facts)
    assert (names, machines) == (["core", "torch"], [])
    assert "The code is another" in meaning
    names, machines, meaning = since(basis.parts, {**facts, "blas": "openblas 486", "variables": {"OMP_DYNAMIC": "1"}})
    assert names == []
    assert {"blas", "OMP_DYNAMIC"} <= {*machines}
    assert "equal bits are not promised" in meaning


def test_a_record_without_an_answer_cannot_be_replayed(tmp_path):
    record = Record(trial=Trial(measure="memory", cell=CELL, backend="torch"), status=Status.TIMEOUT, basis="b")
    with pytest.raises(HarnessError, match="ended as timeout"):
        prepare(record, tmp_path)


def tamper(path: Path, name: str) -> None:
    """Changes a value of the first accuracy record, with a checksum that fits."""
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    journal = Journal(path)
    for line in lines:
        line.pop("checksum")
        if line["trial"]["measure"] == "accuracy":
            line["values"][name]["value"] += 1e-9
        journal.append(line)
    journal.close()


def test_a_trial_replays_from_its_run_alone_and_a_tampered_value_is_found(command, grid, mgu_file, tmp_path):
    mine, other = tmp_path / "mine.py", tmp_path / "other" / "mine.py"
    other.parent.mkdir()
    mine.write_text(mgu_file.read_text())
    other.write_text(mgu_file.read_text().replace('"mgu"', '"another"'))
    files = ("--plugin", "mine.py", "--plugin", "other/mine.py")
    flags = ("--cells", "mgu@eager", "--seeds", "1", "--measures", "accuracy,memory", *files)
    assert command("run", "--grid", "small.toml", *flags).returncode == 0
    mine.unlink(), other.unlink()
    (folder,) = (tmp_path / "results" / "runs").iterdir()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    described = canonical.loads((folder / "run.json").read_text())
    assert described["load"].keys() == {"before", "after"}
    ids = {trial.measure: trial.id for trial in store.read_run(tmp_path / "results").planned}
    done = command("replay", ids["memory"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("the same\n")
    assert "changed since: nothing" in done.stdout
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    tamper(folder / "records.jsonl", "test.mse")
    done = command("replay", ids["accuracy"], "--json")
    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["now"]["answer"] == told["recorded"]["answer"]
    assert [line.partition(":")[0] for line in told["differences"]] == ["test.mse", "the record contradicts itself"]


def test_an_unknown_id_is_a_usage_error(command):
    done = command("replay", "0123")
    assert done.returncode == 2
    assert "wanted the id of one recorded trial" in done.stderr
