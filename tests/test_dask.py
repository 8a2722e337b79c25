"""A Dask cluster of real processes on the loopback: equal answers, and whoever dies costs what is promised, no more."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from harness import plugins, store
from harness.errors import HarnessError
from harness.events import Opened, Recorded
from harness.executors.executor import Told
from harness.executors.local import Started
from harness.executors.remote.address import require_dask, scheduler_address, warning
from harness.executors.remote.introduction import gpus
from harness.executors.remote.needs import differences
from harness.executors.remote.parcel import pack, unpack
from harness.executors.remote.places import Place, Places
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.record import Status
from harness.runner import run
from harness.selection import Selection, select
from harness.session import RunOptions
from harness.trial import Subject, Trial

HERE = Path(__file__).parent
HOSTILE = HERE / "plugins" / "hostile.py"
LINGERS = "hostile[how=linger_once,at=61]"
SEED = int(os.environ.get("SEED", "7"))
GRID = """
backends = ["eager"]
measures = ["accuracy"]
timeout = 60
[[accuracy]]
task = "adding[length=4]"
model = { hidden = 61 }
training = { steps = 4, evaluate_every = 2, validation = 4, test = 4 }
"""


class Cluster:
    """A scheduler and workers, each a process, as an administrator starts them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.lingers = folder, folder / "lingers"
        self.processes: dict[str, psutil.Popen] = {}
        self.started = 0
        file = folder / "scheduler.json"
        self._start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        while not (file.exists() and file.read_text().endswith("}")):
            time.sleep(0.01)
        self.address = json.loads(file.read_text())["address"]

    def work(self, name: str, **variables: str) -> None:
        self._start("worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", **variables)
        self.processes[name] = self.processes.pop("worker")
        self.started += 1
        while (self.folder / "worker.log").read_text().count("Registered to:") < self.started:
            assert self.processes[name].poll() is None, (self.folder / "worker.log").read_text()
            time.sleep(0.01)

    def _start(self, what: str, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments]
        variables = {**os.environ, "HOSTILE_LINGERS": str(self.lingers), **variables}
        with (self.folder / f"{what}.log").open("ab") as log:
            self.processes[what] = psutil.Popen(command, env=variables, cwd=self.folder, stdout=log, stderr=log)

    def lingering(self) -> psutil.Process:
        """The trial that lingers, as soon as it does."""
        while not self.lingers.exists():
            time.sleep(0.01)
        return psutil.Process(int(self.lingers.read_text()))

    def kill_worker_of(self, trial: psutil.Process) -> None:
        """Kills the worker that a trial runs on; nothing of it may be left."""
        pids = {process.pid: name for name, process in self.processes.items()}
        (name,) = (pids[process.pid] for process in trial.parents() if process.pid in pids)
        worker = self.processes.pop(name)
        family = _family(worker)
        worker.kill()
        assert not _ended(family)

    def drive(self, grid: Path, cells: str, seeds: int = 3) -> subprocess.Popen[str]:
        """A run by the command, as a user starts it."""
        self.lingers.unlink(missing_ok=True)
        flags = ["run", "--grid", str(grid), "--scheduler", self.address, "--cells", cells, "--seeds", str(seeds)]
        command = [sys.executable, "-m", "harness", *flags, "--plugin", str(HOSTILE)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=grid.parent, text=True, **pipes)

    def end(self) -> list[psutil.Process]:
        """Ends what is left, and gives what had to be ended by force."""
        family = [p for process in self.processes.values() if process.is_running() for p in _family(process)]
        for process in self.processes.values():
            process.terminate()
        return _ended(family)


def _family(process: psutil.Process) -> list[psutil.Process]:
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _ended(family: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(family, timeout=30)
    for process in alive:
        process.kill()
    return alive


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    assert not cluster.end()


@pytest.fixture(scope="module")
def other_cells(tmp_path_factory):
    """Another version of the shipped cells, in front of it on a worker's path."""
    folder = tmp_path_factory.mktemp("other")
    shutil.copytree(HERE.parent / "plugins" / "harness_cells", folder / "harness_cells")
    with (folder / "harness_cells" / "gru.py").open("a") as file:
        file.write("# another version\n")
    return os.pathsep.join([str(folder), *sys.path])


@pytest.fixture
def grid(tmp_path):
    (tmp_path / "grid.toml").write_text(GRID)
    return tmp_path / "grid.toml"


def events_of(grid, cells, files=(), **options):
    chosen = select(load_grid(str(grid)), Selection(cells=cells, seeds=options.pop("seeds", 3)))
    asked = RunOptions(results=options.pop("results", grid.parent / "results"), plugin_files=files, **options)
    with Stopping() as stopping, closing(run(chosen, plugins.load(files), asked, stopping)) as events:
        yield from events


def answers(results):
    view = store.read_run(results)
    assert set(view.records) == {trial.id for trial in view.planned}
    return {key: (record.status, record.answer) for key, record in view.records.items()}


def test_a_run_without_a_fit_worker_says_what_differs_and_leaves_no_folder(cluster, other_cells, grid):
    cluster.work("other", PYTHONPATH=other_cells)
    with pytest.raises(HarnessError, match="plugin cells: cell-harness .* there, cell-harness .* here$"):
        list(events_of(grid, "rnn", executor="dask", scheduler=cluster.address))
    assert not list((grid.parent / "results" / "runs").iterdir())


def test_workers_answer_as_this_machine_does_from_a_plugins_text_alone(cluster, grid, tmp_path):
    cluster.work("one")
    cluster.work("two")
    mine = Path(shutil.copy(HERE / "cells" / "mgu.py", tmp_path / "mine.py"))
    list(events_of(grid, "rnn,mgu", (mine,), seeds=4, results=tmp_path / "local"))
    told, recorded = [], 0
    for event in events_of(grid, "rnn,mgu", (mine,), seeds=4, executor="dask", scheduler=cluster.address):
        if isinstance(event, Told):
            told.append(event.sentence)
        if isinstance(event, Opened):
            mine.unlink()
            (event.folder / "plugins" / "mine.py").unlink()
        if isinstance(event, Recorded):
            recorded += 1
            if recorded == 2:  # both gates: from now on one of two is slow
                cluster.processes["two"].suspend()
            if recorded == 5:
                cluster.processes["two"].resume()
    refused, ready = told
    assert "is refused: plugin cells: " in refused
    assert ready == "2 workers, 2 trials at once"
    assert answers(tmp_path / "results") == answers(tmp_path / "local")
    records = store.read_run(tmp_path / "results").records.values()
    assert {record.attempts for record in records} == {1}
    assert {record.machine for record in records} == {r.machine for _, r in store.read_all(tmp_path / "local")}


def test_a_worker_that_dies_costs_its_trial_one_attempt(cluster, grid, tmp_path):
    killed = False
    for event in events_of(grid, f"{LINGERS},rnn", (HOSTILE,), executor="dask", scheduler=cluster.address):
        if isinstance(event, Started) and event.request.trial.pair == "rnn@eager" and event.request.trial.task:
            if not killed:
                cluster.kill_worker_of(cluster.lingering())
                cluster.work("three")
            killed = True
    records = [record for _, record in store.read_all(tmp_path / "results")]
    (lost,) = (record for record in records if record.status != Status.OK)
    assert (lost.status, lost.attempts) == (Status.NO_RESULT, 1)
    assert lost.reason == "there is no answer: ConnectionError: its worker has gone"
    asked = Counter(record.id for record in records)
    assert [key for key, count in asked.items() if count > 1] == [lost.id]
    view = store.read_run(tmp_path / "results")
    assert {record.id: record.attempts for record in view.records.values()} == asked
    assert {record.status for record in view.records.values()} == {Status.OK}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_driver_that_ends_takes_its_trials_with_it(cluster, grid, end):
    driver = cluster.drive(grid, LINGERS)
    trial = cluster.lingering()
    driver.send_signal(end)
    if end == signal.SIGINT:
        assert trial.is_running(), "it may finish"
        driver.send_signal(end)
    assert not _ended([trial])
    assert driver.wait() == (130 if end == signal.SIGINT else -end)
    if end == signal.SIGINT:
        assert not [p for worker in cluster.processes.values() for p in _family(worker)[1:]], "it has taken leave"


def test_a_lost_scheduler_loses_nothing_recorded_and_the_next_run_does_the_rest(cluster, grid, tmp_path):
    """The last one: it ends the cluster, and the workers by themselves."""
    cells, wanted = "rnn,gru", random.Random(SEED).randint(3, 6)
    driver = cluster.drive(grid, cells, seeds=9)
    journals = list((tmp_path / "results" / "runs").glob("*/records.jsonl"))
    while sum(path.read_bytes().count(b"\n") for path in journals) < wanted:
        assert driver.poll() is None
        journals = list((tmp_path / "results" / "runs").glob("*/records.jsonl"))
        time.sleep(0.005)
    workers = [p for name, process in cluster.processes.items() for p in _family(process) if name != "scheduler"]
    cluster.processes["scheduler"].kill()
    _, told = driver.communicate()
    assert driver.returncode == 1, told
    print(f"seed {SEED}: the scheduler was killed after {wanted} of 20 records")
    assert f"error: the scheduler is gone: {cluster.address} does not answer any more\nhint: what was" in told
    assert "Traceback" not in told
    assert not _ended(workers)
    before = [record.id for _, record in store.read_all(tmp_path / "results")]
    list(events_of(grid, cells, (HOSTILE,), seeds=9))
    asked = Counter(record.id for _, record in store.read_all(tmp_path / "results"))
    assert len(asked) == len(store.read_run(tmp_path / "results").planned) == 20
    assert wanted <= len(before) < 20
    assert set(asked.values()) == {1}
