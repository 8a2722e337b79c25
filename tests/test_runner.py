"""The main job, end to end, on a small grid: every planned trial ends as a row, and nothing recorded is lost."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil

from harness import plugins, store
from harness.events import Again, Parked
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.patience import MOST_ATTEMPTS, PARKED_AFTER
from harness.record import Status
from harness.runner import run
from harness.selection import Selection, select
from harness.session import RunOptions


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


HOSTILE_GRID = """
backends = ["torch", "eager"]
order = ["torch", "eager"]
measures = ["accuracy"]
timeout = 60
seeds = {seeds}
[[accuracy]]
task = "adding[length=4]"
model = {{ hidden = 61 }}
training = {{ steps = 4, evaluate_every = 2, validation = 4, test = 4 }}
"""


def _run_hostile(tmp_path, *cells: str, seeds: int) -> tuple[list[object], store.RunView]:
    """Cells that pass their gates and misbehave in training, where H is 61."""
    (tmp_path / "hostile.toml").write_text(HOSTILE_GRID.format(seeds=seeds))
    files = (Path(__file__).parent / "plugins" / "hostile.py",)
    grid = select(load_grid(str(tmp_path / "hostile.toml")), Selection(cells=",".join(cells)))
    options = RunOptions(results=tmp_path / "results", plugin_files=files, jobs=2)
    with Stopping() as stopping, closing(run(grid, plugins.load(files), options, stopping)) as events:
        happened = list(events)
    return happened, store.read_run(tmp_path / "results")


def test_a_pair_that_always_fails_is_parked_and_the_others_go_on(tmp_path):
    happened, view = _run_hostile(tmp_path, "hostile[how=abort,at=61]", "rnn", seeds=8)
    assert set(view.records) == {trial.id for trial in view.planned}
    statuses = {
        name: Counter(r.status for r in view.records.values() if r.trial.cell.name == name and r.trial.task)
        for name in ("hostile", "rnn")
    }
    assert statuses["rnn"] == {Status.OK: 8}
    assert statuses["hostile"][Status.SIGNAL] + statuses["hostile"][Status.SKIPPED] == 8
    assert PARKED_AFTER <= statuses["hostile"][Status.SIGNAL] <= PARKED_AFTER + 1, "one may have run beside the fifth"
    (parked,) = [event for event in happened if isinstance(event, Parked)]
    assert "hostile[at=61,how=abort]@eager is parked: 5 of its trials in a row have failed" in parked.reason
    skipped = {record.reason for record in view.records.values() if record.status == Status.SKIPPED}
    assert all("is parked" in reason and "SIGABRT" in reason for reason in skipped)


def test_what_the_machine_ends_is_asked_again_and_what_fails_by_itself_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("HOSTILE_DIED", str(tmp_path / "died"))
    killed = "hostile[how=kill_its_group,at=61]"
    cells = ("hostile[how=die_once,at=61]", killed, "hostile[how=exit_3,at=61]")
    happened, view = _run_hostile(tmp_path, *cells, seeds=1)
    ended = {r.trial.cell.options[1][1]: (r.status, r.attempts) for r in view.records.values() if r.trial.task}
    assert ended == {
        "die_once": (Status.OK, 2),
        "kill_its_group": (Status.SIGNAL, MOST_ATTEMPTS),
        "exit_3": (Status.EXIT, 1),
    }
    assert [event.count for event in happened if isinstance(event, Again)] == [2, 1]
