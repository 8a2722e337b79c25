"""Two machines' records in one folder: times and memory never stand together, trainings never without being told."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from harness import canonical, load, machine, store
from harness.basis import basis_of
from harness.compare.recorded import compare_recorded
from harness.description import Planned
from harness.report.findings import findings
from harness.report.tables import all_tables
from harness.spelling import parse
from recorded import (
    ADDING,
    adding_record,
    gate_record,
    memory_record,
    printed,
    row,
    speed_record,
    speed_trial,
    training_trial,
)

RESTS_ON = {"fingerprint", "cpu", "governor", "gpu", "commit", "difference", "torch", "numpy", "blas"}


def answers_of(slowness, seeds):
    """Gate, memory and speed of one pair, and trainings of two cells: what one machine contributes."""
    yield gate_record("rnn", "torch", 0.1)
    yield memory_record("rnn", "torch", 1e6 * slowness)
    yield speed_record(speed_trial("rnn", "numpy"), 1e-3 * slowness, 1.5)
    for seed in seeds:
        yield adding_record(training_trial(ADDING, "rnn", seed), None, 0.05)
        yield adding_record(training_trial(ADDING, "gru", seed), 300)


@pytest.fixture
def machines(catalog):
    facts = machine.facts() | {"governor": "performance", "commit": "abc-dirty", "difference": "0123"}
    return [machine.described(facts), machine.described(facts | {"cpu": "another", "commit": "def"})]


@pytest.fixture
def merged(catalog, machines, tmp_path):
    """Both plan the same; the first trained seeds 0 to 2, the second 3 to 5; both were timed and weighed."""
    planned = [record.trial for record, _ in answers_of(1.0, range(6))]
    for number, facts in enumerate(machines):
        with store.Results(tmp_path) as results:
            writer = store.RunWriter(results.new_run(str(number)))
            entries = {t.id: Planned(trial=t, basis=basis_of(t, catalog, facts).digest) for t in planned}
            writer.describe({"grid": {"name": "g"}, "facts": facts}, entries.values(), ())
            for record, arrays in answers_of(1.0 + number, range(3 * number, 3 * number + 3)):
                np.savez(tmp_path / "made.npz", **arrays)
                kept = writer.keep_arrays(record.id, tmp_path / "made.npz")
                made = facts["fingerprint"]
                writer.write(replace(record, basis=entries[record.id].basis, arrays=kept, machine=made))
            writer.close()
    return tmp_path


@pytest.mark.parametrize("number", [0, 1])
def test_times_and_memory_of_two_machines_never_stand_in_one_table(merged, machines, number):
    run = store.read_run(merged, str(number))
    tables, own = all_tables(run), machines[number]
    for name, figure, wanted in (("speed", "train_seconds", 1e-3), ("memory", "train_peak_bytes", 1e6)):
        (found,) = (one for _, one in tables[name].iterrows())
        assert found[figure] == pytest.approx(wanted * (1 + number))
        assert found["fingerprint"] == own["fingerprint"]
        assert set(found.index) >= RESTS_ON
        assert [found["commit"], found["governor"]] == [own["commit"], "performance"]
    assert row(tables["speed"], cell="rnn")["threads"] == 1
    assert sum("faster" in sentence for sentence in findings(run)) == 1


def test_trainings_of_two_machines_are_told_wherever_they_stand_together(merged, machines):
    run = store.read_run(merged, "1")
    here, there = machines[1]["fingerprint"], machines[0]["fingerprint"]
    (told,) = (sentence for sentence in findings(run) if "several machines" in sentence)
    assert f"this run's is {here}" in told
    assert f"6 from {there}" in told
    assert set(all_tables(run)["accuracy"]["machines"]) == {2}
    assert "Trainings of 2 machines stand together" in " ".join(printed(run, width=160).split())
    (claim, *_) = compare_recorded(parse("gru"), parse("rnn"), run)
    assert claim.details["machines"] == {there: 6, here: 6}


def test_a_line_says_which_machine_made_it_wherever_it_is_put(merged, machines):
    """The first run's lines are appended to the second's, and the first run is thrown away."""
    first, second = merged / "runs" / "0", merged / "runs" / "1"
    with (second / store.RECORDS).open("ab") as journal:
        journal.write((first / store.RECORDS).read_bytes())
    shutil.copytree(first / store.ARRAYS, second / store.ARRAYS, dirs_exist_ok=True)
    shutil.rmtree(first)
    run = store.read_run(merged, "1")
    here, there = machines[1]["fingerprint"], machines[0]["fingerprint"]
    assert len(all_tables(run)["speed"]) == 1
    assert row(all_tables(run)["speed"], cell="rnn")["fingerprint"] == here
    assert any(f"7 from {there}" in sentence for sentence in findings(run)), "six trainings and the gate"
    frame = load(merged)
    for measure in ("speed", "memory"):
        assert set(frame[frame["measure"] == measure]["fingerprint"]) == {here, there}


def test_every_run_and_every_record_of_it_bears_what_it_was_made_on(command, grid, tmp_path):
    done = command(
        *("run", "--grid", grid.name, "--cells", "rnn", "--backends", "torch", "--measures", "memory"),
        *("--results", "there"),
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "there" / "runs").iterdir()
    facts = canonical.loads((folder / "run.json").read_bytes())["facts"]
    assert {"governor", "gpu", "commit", "difference", "blas", "pools", "variables", "cpu_quota"} <= set(facts)
    assert {"torch", "numpy", "python", "nvidia_ml_py", "torch_build", "libc"} <= set(facts)
    records = [record for _, record in store.read_all(tmp_path / "there")]
    assert len(records) >= 2
    assert {record.machine for record in records} == {facts["fingerprint"]}


def test_a_comparison_bears_the_machine_it_was_made_on(command):
    arguments = ("rnn@eager", "rnn@numpy", "--measures", "memory", "--shape", "B2,T3,H4,I2", "--json")
    done = command("compare", *arguments)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)["machine"]
    assert told["fingerprint"] == machine.fingerprint(told)
    assert {"commit", "difference", "blas", "governor", "gpu"} <= set(told)
