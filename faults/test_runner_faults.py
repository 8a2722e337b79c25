"""The runner killed at fifty moments of a grid of two hundred trials: nothing is lost, left over or run twice."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from harness import store
from harness.record import Status

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("SEED", "7"))
GRID = """
cells = ["rnn", "gru"]
backends = ["torch"]
order = ["torch"]
measures = ["accuracy"]
seeds = 99
timeout = 60
[[accuracy]]
task = "adding[length=4]"
model = { hidden = 3 }
training = { steps = 6, evaluate_every = 2, validation = 16, test = 16 }
"""


class Grid:
    """A grid, run by the command as a user runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "many.toml").write_text(GRID)
        (folder / "scratch").mkdir()

    def start(self, results: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "harness", "run", "--grid", "many.toml", "--results", results]
        variables = {**os.environ, "TMPDIR": str(self.folder / "scratch")}
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=self.folder, env=variables, text=True, **pipes)

    def finish(self, results: str) -> dict[str, tuple[Status, str]]:
        run = self.start(results)
        _, errors = run.communicate()
        assert run.returncode == 0, errors
        view = store.read_run(self.folder / results)
        assert {trial.id for trial in view.planned} == set(view.records)
        return {key: (record.status, record.answer) for key, record in view.records.items()}

    def lines(self, results: str) -> int:
        paths = (self.folder / results).glob("runs/*/records.jsonl")
        return sum(path.read_bytes().count(b"\n") for path in paths)


def of_runner(pid: int) -> list[psutil.Process]:
    """The fork server of a runner and everything forked from it, wherever it went: forks keep the command line."""
    words = {"harness.isolation.server", str(pid)}
    return [process for process in psutil.process_iter(["cmdline"]) if words <= set(process.info["cmdline"] or ())]


@pytest.fixture
def grid(tmp_path):
    return Grid(tmp_path)


def kill_at_a_random_moment(grid: Grid, draw: random.Random, share: int) -> bool:
    """One kill in four falls before the first trial, into imports and planning; `share`: the trials that are left for
    each kill. Returns whether it lived until then.
    """
    run, before = grid.start("killed"), grid.lines("killed")
    wanted = before + draw.randint(1, max(1, 2 * share - 1)) * (draw.random() < 0.75)
    pause = draw.uniform(0, 0.2) if wanted > before else draw.uniform(0, 2)
    while wanted > before and run.poll() is None and grid.lines("killed") < wanted:
        time.sleep(0.005)
    time.sleep(pause)
    lived = run.poll() is None
    run.kill()
    run.communicate()
    _, alive = psutil.wait_procs(of_runner(run.pid), timeout=20)
    assert not alive
    return lived


def test_a_runner_killed_at_random_moments_loses_nothing_and_leaves_nothing(grid):
    expected = grid.finish("whole")
    draw = random.Random(SEED)
    shares = ((len(expected) - grid.lines("killed")) // left for left in range(KILLS, 0, -1))
    killed = sum(kill_at_a_random_moment(grid, draw, share) for share in shares)
    recorded = grid.lines("killed")
    assert grid.finish("killed") == expected
    asked = Counter(record.id for _, record in store.read_all(grid.folder / "killed"))
    print(f"\nseed {SEED}: {killed} of {KILLS} kills met it alive; {recorded} of {len(expected)} were recorded by then")
    assert len(expected) == 200
    assert killed >= 0.9 * KILLS
    assert set(asked.values()) == {1}, "something recorded was run again"
    assert not list((grid.folder / "scratch").glob("harness-*/")), "a killed runner's folder was not swept"
