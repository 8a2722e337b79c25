"""The main job, end to end, on a small grid: every planned trial ends as a row, and nothing recorded is lost."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import psutil
import pytest

from harness import store
from harness.record import Status

SMALL = """
title = "a small grid for tests"
cells = ["rnn", "gru"]
backends = ["torch", "eager"]
order = ["swapped", "torch", "eager"]
measures = ["accuracy"]
seeds = 3
timeout = 60

[[accuracy]]
task = "adding[length=4]"
model = { hidden = 3 }
training = { steps = 6, evaluate_every = 2, validation = 16, test = 16 }

[[memory]]
shape = { batch = 2, length = 3, hidden = 4, inputs = 2 }
"""


@pytest.fixture
def grid(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    return path


def _answers(results: Path) -> dict[str, tuple[Status, str]]:
    view = store.read_run(results)
    assert set(view.records) <= {trial.id for trial in view.planned}
    return {key: (record.status, record.answer) for key, record in view.records.items()}


def _start(tmp_path, *arguments):
    command = [sys.executable, "-m", "harness", "run", "--grid", "small.toml", *arguments]
    return subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _lines(results: Path) -> int:
    return sum(path.read_bytes().count(b"\n") for path in results.glob("runs/*/records.jsonl"))


def test_every_planned_trial_ends_as_a_row_and_a_second_run_asks_nothing(command, grid, tmp_path):
    done = command("run", "--grid", "small.toml", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    view = store.read_run(tmp_path / "results")
    assert {trial.id for trial in view.planned} == set(view.records)
    assert {record.status for record in view.records.values()} == {Status.OK}
    again = command("run", "--grid", "small.toml")
    assert "0 to run" in again.stderr
    assert _lines(tmp_path / "results") == len(view.planned)
    fresh = command("run", "--grid", "small.toml", "--fresh")
    assert "0 answered already" in fresh.stderr
    assert _lines(tmp_path / "results") == 2 * len(view.planned)
    (one, *_) = view.records
    shown = command("show", one)
    assert "question" in shown.stdout
    assert one in shown.stdout


def test_a_run_killed_anywhere_resumes_to_the_same_answers_and_leaves_no_process(command, grid, tmp_path):
    whole = command("run", "--grid", "small.toml", "--results", "whole")
    assert whole.returncode == 0, whole.stderr
    expected = _answers(tmp_path / "whole")
    draw = random.Random(7)
    results = tmp_path / "results"
    for _ in range(2):
        killed = _start(tmp_path)
        wanted = _lines(results) + draw.randint(0, 3)
        while killed.poll() is None and _lines(results) < wanted:
            time.sleep(0.002)
        family = psutil.Process(killed.pid).children(recursive=True) if killed.poll() is None else []
        killed.kill()
        killed.communicate()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
    before = _lines(results)
    done = command("run", "--grid", "small.toml")
    assert done.returncode == 0, done.stderr
    assert _answers(results) == expected
    assert _lines(results) == len(expected), "something recorded was run again"
    assert before < len(expected)


def test_an_interrupt_finishes_what_runs_and_the_next_run_does_the_rest(command, grid, tmp_path):
    results = tmp_path / "results"
    run = _start(tmp_path)
    while run.poll() is None and _lines(results) < 3:
        time.sleep(0.002)
    run.send_signal(signal.SIGINT)
    _, errors = run.communicate()
    assert run.returncode == 130, errors
    assert "Traceback" not in errors
    recorded = _lines(results)
    done = command("run", "--grid", "small.toml")
    assert done.returncode == 0
    assert _lines(results) == len(store.read_run(results).planned)
    assert recorded >= 3


def test_a_wrong_backend_is_rejected_with_its_figure_and_the_next_one_trains(command, grid, swapped_file, tmp_path):
    done = command(
        "run", "--grid", "small.toml", "--cells", "lstm", "--backends", "swapped,torch", "--plugin", str(swapped_file)
    )
    assert done.returncode == 1
    view = store.read_run(tmp_path / "results")
    by_pair = {}
    for trial in view.planned:
        by_pair.setdefault((trial.measure, trial.backend), set()).add(view.records[trial.id].status)
    assert by_pair["conformance", "swapped"] == {Status.REJECTED}
    assert by_pair["accuracy", "swapped"] == {Status.REJECTED}
    assert by_pair["conformance", "torch"] == by_pair["accuracy", "torch"] == {Status.OK}
    gate = next(r for r in view.records.values() if r.trial.backend == "swapped" and r.trial.measure == "conformance")
    assert "allowed" in gate.reason
    dependent = next(r for r in view.records.values() if r.trial.backend == "swapped" and r.trial.measure == "accuracy")
    assert gate.id in dependent.reason
    assert "rejected" in done.stdout


def test_a_cell_whose_examples_disagree_is_rejected(command, grid, wrong_examples_file, tmp_path):
    done = command("run", "--grid", "small.toml", "--cells", "wrong_examples,rnn", "--plugin", str(wrong_examples_file))
    assert done.returncode == 1
    records = store.read_run(tmp_path / "results").records.values()
    wrong = {r.status for r in records if r.trial.cell.name == "wrong_examples"}
    assert wrong == {Status.REJECTED}
    assert any("a wrong memory" in r.reason for r in records)
    assert {r.status for r in records if r.trial.cell.name == "rnn"} == {Status.OK}


def test_a_cell_in_one_file_gets_its_rows_beside_the_others(command, grid, mgu_file, tmp_path):
    outside = tmp_path / "elsewhere" / "mgu.py"
    outside.parent.mkdir()
    outside.write_text(mgu_file.read_text())
    assert "mgu" in command("list", "cells", "--plugin", str(outside)).stdout
    done = command("run", "--grid", "small.toml", "--cells", "mgu,rnn", "--plugin", str(outside))
    assert done.returncode == 0, done.stderr
    assert "mgu" in done.stdout
    assert "rnn" in done.stdout
    kept = list((tmp_path / "results" / "runs").glob("*/plugins/mgu.py"))
    assert [path.read_text() for path in kept] == [mgu_file.read_text()]


def test_changing_a_plugin_makes_its_answers_stale_and_nobody_elses(command, grid, mgu_file, tmp_path):
    mine = tmp_path / "mgu.py"
    mine.write_text(mgu_file.read_text())
    arguments = ("--grid", "small.toml", "--cells", "mgu,rnn", "--plugin", "mgu.py")
    assert command("run", *arguments).returncode == 0
    mine.write_text(mine.read_text() + "\n# changed\n")
    rows = json.loads(command("plan", "--json", *arguments).stdout)["trials"]
    states = {("mgu" in row["trial"], row["state"].split(":")[0]) for row in rows}
    assert states == {(True, "stale"), (False, "answered")}


def test_a_damaged_line_is_set_aside_reported_and_run_again(command, grid, tmp_path):
    command("run", "--grid", "small.toml")
    (path,) = (tmp_path / "results" / "runs").glob("*/records.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0][:40] + b"\n", *lines[1:]]))
    done = command("run", "--grid", "small.toml")
    assert done.returncode == 0
    assert "1 damaged line" in done.stderr
    assert "1 to run" in done.stderr


def test_the_wheel_runs_a_grid_without_the_repository(tmp_path):
    root = Path(__file__).parent.parent
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    (tmp_path / "small.toml").write_text(SMALL)
    program = (
        "import sys, harness\n"
        f"assert harness.__file__.startswith({str(installed)!r}), harness.__file__\n"
        "from harness.cli import main\n"
        "sys.argv = ['harness', 'run', '--grid', 'small.toml', '--cells', 'rnn@torch', '--seeds', '1']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(store.read_run(tmp_path / "results").records) == 2


def test_a_baseline_that_fails_its_gate_gives_way_to_the_next(command, swapped_file, tmp_path):
    (tmp_path / "speed.toml").write_text(
        'cells = ["lstm"]\nbackends = ["swapped", "torch"]\nversus = ["swapped", "torch"]\nmeasures = ["speed"]\n'
        "[[speed]]\nshape = { batch = 1, length = 2, hidden = 2, inputs = 1 }\n"
    )
    done = command("run", "--grid", "speed.toml", "--plugin", str(swapped_file))
    assert done.returncode == 1
    records = store.read_run(tmp_path / "results").records.values()
    found = {(r.trial.backend, r.trial.versus): r.status for r in records if r.trial.measure == "speed"}
    assert found == {
        ("swapped", "swapped"): Status.REJECTED,
        ("torch", "swapped"): Status.REJECTED,
        ("torch", "torch"): Status.OK,
    }
