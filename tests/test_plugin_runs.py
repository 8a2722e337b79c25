"""Runs with plugins from outside: what is wrong is rejected, what is right gets its rows."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from harness import store
from harness.record import Status


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
    cells = "mgu@eager,mgu@fused,rnn"
    done = command("run", "--grid", "small.toml", "--cells", cells, "--plugin", str(outside))
    assert done.returncode == 0, done.stderr
    assert "mgu" in done.stdout
    assert "rnn" in done.stdout
    records = store.read_run(tmp_path / "results").records.values()
    trained = {r.trial.pair for r in records if r.trial.measure == "accuracy"}
    assert trained == {"mgu@eager", "mgu@fused", "rnn@torch"}
    kept = list((tmp_path / "results" / "runs").glob("*/plugins/mgu.py"))
    assert [path.read_text() for path in kept] == [mgu_file.read_text()]


def test_files_of_the_user_named_like_modules_shadow_none(grid, tmp_path):
    for name in ("types", "random", "copy", "numpy", "harness"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('the wrong module')\n")
    for arguments in (["run", "--grid", "small.toml", "--cells", "rnn@torch", "--seeds", "1"], ["check", "adding"]):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "harness", *arguments], cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_changing_a_plugin_makes_its_answers_stale_and_nobody_elses(command, grid, mgu_file, tmp_path):
    mine = tmp_path / "mgu.py"
    mine.write_text(mgu_file.read_text())
    arguments = ("--grid", "small.toml", "--cells", "mgu,rnn", "--plugin", "mgu.py")
    assert command("run", *arguments).returncode == 0
    mine.write_text(mine.read_text() + "\n# changed\n")
    rows = json.loads(command("plan", "--json", *arguments).stdout)["trials"]
    states = {("mgu" in row["trial"], row["state"].split(":")[0]) for row in rows}
    assert states == {(True, "stale"), (False, "answered")}


def test_the_wheel_runs_a_grid_without_the_repository(grid, tmp_path):
    root = Path(__file__).parent.parent
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=root, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
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
