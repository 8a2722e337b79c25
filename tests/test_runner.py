"""The main job, end to end, on a small grid: every planned trial ends as a row, and nothing recorded is lost."""

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from harness import store
from harness.record import Status


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
    arguments = ("--seeds", "2", "--measures", "accuracy,memory")
    whole = command("run", "--grid", "small.toml", "--results", "whole", *arguments)
    assert whole.returncode == 0, whole.stderr
    expected = _answers(tmp_path / "whole")
    draw = random.Random(7)
    results = tmp_path / "results"
    for _ in range(2):
        killed = _start(tmp_path, *arguments)
        wanted = _lines(results) + draw.randint(0, 3)
        while killed.poll() is None and _lines(results) < wanted:
            time.sleep(0.002)
        family = psutil.Process(killed.pid).children(recursive=True) if killed.poll() is None else []
        killed.kill()
        killed.communicate()
        _, alive = psutil.wait_procs(family, timeout=20)
        assert not alive
    before = _lines(results)
    done = command("run", "--grid", "small.toml", *arguments)
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


def test_a_damaged_line_is_set_aside_reported_and_run_again(command, grid, tmp_path):
    command("run", "--grid", "small.toml")
    (path,) = (tmp_path / "results" / "runs").glob("*/records.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0][:40] + b"\n", *lines[1:]]))
    done = command("run", "--grid", "small.toml")
    assert done.returncode == 0
    assert "1 damaged line" in done.stderr
    assert "1 to run" in done.stderr
