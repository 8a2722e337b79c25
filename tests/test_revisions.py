"""`harness compare CELL --base REV`: what is asked of both revisions before anything is timed, and what is left."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import psutil
import pytest

from harness.errors import HarnessError
from harness.isolation.client import environment
from harness.measures.outcomes import difference
from harness.measures.workers import executed
from harness.settings import LayerShape

REPOSITORY = Path(__file__).parent.parent
FOLDERS = ("", "plugins", "tasks")
SHAPE = LayerShape(batch=2, length=3, hidden=4, inputs=2)


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository whose last commit has another rnn and no gru; its working tree has a wrong lstm."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("harness", "plugins", "tasks"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    cells = folder / "plugins" / "harness_cells"
    texts = {path: path.read_text("utf-8") for path in cells.glob("*.py")}
    rnn, lstm, listed = cells / "rnn.py", cells / "lstm.py", cells / "__init__.py"
    rnn.write_text(texts[rnn].replace("ops.tanh(", "1.01 * ops.tanh("), "utf-8")
    listed.write_text(texts[listed].replace("GRU(), ", ""), "utf-8")
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]
    for command in (["git", "init", "-q"], ["git", "add", "-A"], commit):
        subprocess.run(command, cwd=folder, check=True)
    rnn.write_text(texts[rnn], "utf-8")
    listed.write_text(texts[listed], "utf-8")
    lstm.write_text(texts[lstm].replace("ops.tanh(", "1.01 * ops.tanh("), "utf-8")
    return folder


def start(repository, *arguments, **variables):
    path = ":".join(str(repository / name) for name in FOLDERS)
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "compare", *arguments, "--base", "HEAD", "--shape", str(SHAPE)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=repository,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **variables},
    )


def command_of(process):
    try:
        return process.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return []


def worker(tree, pair, threads=1, **variables):
    request = {"pair": pair, "shape": asdict(SHAPE), "device": "cpu", "dtype": "float32", "threads": threads}
    request |= {"serve": "stopwatch", "core": None, "tree": str(tree), "parent": os.getpid()}
    path = ":".join(str(tree / name) for name in FOLDERS)
    command = [sys.executable, str(REPOSITORY / "harness" / "bench")]
    return executed("side", command, environment(1) | {"PYTHONPATH": path}, request, stopped=threads > 1)


def test_revisions_that_compute_different_things_are_told_before_they_are_weighed_and_claims_say_so(repository):
    done = start(repository, "rnn@eager", "--measures", "memory,accuracy")
    accuracy, notice, *claims = done.communicate()[0].splitlines()
    assert done.returncode == 0
    assert accuracy.startswith("accuracy is not compared")
    assert notice.startswith("the two revisions compute different things: y differs by")
    assert len(claims) == 3
    assert all("; the two compute different things: y differs by" in claim for claim in claims)


def test_a_working_tree_that_fails_its_gate_is_not_timed(repository):
    done = start(repository, "lstm@eager")
    told = done.communicate()[0]
    assert done.returncode == 2
    assert told.startswith("error: conformance · lstm@eager ended as rejected")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_one_signal_ends_it_and_leaves_no_process_no_folder_and_no_worktree(repository, tmp_path, number, code):
    comparison = start(repository, "rnn@eager", TMPDIR=str(tmp_path))
    bench, family = str(repository / "harness" / "bench"), []
    while comparison.poll() is None and not any(bench in command_of(process) for process in family):
        time.sleep(0.01)
        family = psutil.Process(comparison.pid).children(recursive=True)
    comparison.send_signal(number)
    told = comparison.communicate()[0]
    assert comparison.returncode == code, told
    assert "Traceback" not in told
    assert not psutil.wait_procs(family, timeout=20)[1]
    assert not list(tmp_path.glob("harness-*"))
    worktrees = subprocess.run(["git", "worktree", "list"], cwd=repository, capture_output=True, text=True)
    assert len(worktrees.stdout.splitlines()) == 1


def test_what_a_revision_lacks_is_not_borrowed_from_another_checkout(repository, tmp_path):
    lean = shutil.copytree(repository, tmp_path / "lean", ignore=shutil.ignore_patterns("harness_fused", ".git"))
    with worker(lean, "rnn@fused") as lacking, pytest.raises(HarnessError, match="side: backend 'fused' is not avail"):
        lacking.ask("first")


PARENT = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_revisions import REPOSITORY, worker
worker = worker(REPOSITORY, "rnn@eager", threads=2).__enter__()
Path(sys.argv[2]).write_text(str(worker._pid))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_an_idle_worker_with_threads_is_stopped_and_dies_with_its_parent(tmp_path):
    with worker(REPOSITORY, "rnn@eager", threads=2) as idle:
        process, looks = psutil.Process(idle._pid), 0
        while process.status() != psutil.STATUS_STOPPED:  # soon: a signal takes its time
            assert (looks := looks + 1) < 1000
            time.sleep(0.01)
        idle.ask("first")
        with pytest.raises(HarnessError, match=r"wanted every pool on 2 threads, found: .* has 1"):
            idle.ask("warm", "forward")
    told = tmp_path / "pid"
    subprocess.run([sys.executable, "-c", PARENT, str(Path(__file__).parent), str(told)])
    if psutil.pid_exists(orphan := int(told.read_text())):
        _, alive = psutil.wait_procs([psutil.Process(orphan)], timeout=10)
        assert not [process.kill() for process in alive]


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({"y": np.ones(4) * (1 + 1e-6), "z": np.zeros(2)}, ""),
        ({"y": np.ones(4) * 1.01, "z": np.ones(2)}, "y differs by 1.0e-02 of its norm (allowed 1e-04)"),
        ({"y": np.ones(4), "z": np.array([0, np.nan])}, "z differs by inf of its norm (allowed 1e-04)"),
        ({"y": np.ones((2, 2)), "z": np.zeros(2)}, "y is [4] and [2, 2]"),
        ({"y": np.ones(4)}, "only the first has z"),
    ],
)
def test_the_first_quantity_that_differs_by_more_than_rounding_is_named(theirs, told):
    assert difference({"y": np.ones(4), "z": np.zeros(2)}, theirs, "float32") == told
