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
from harness.executors.remote.link import _reason
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
        flags = ["run", "--grid", str(grid), "--scheduler", self.address, "--cells", cells, "--seeds", str(seeds)]
        command = [sys.executable, "-m", "harness", *flags, "--plugin", str(HOSTILE)]
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
        return subprocess.Popen(command, cwd=grid.parent, text=True, **pipes)

    def end(self) -> list[psutil.Process]:
        """Ends what is left, the scheduler last, and gives what had to be ended by force."""
        left = []
        for process in reversed(self.processes.values()):
            family = _family(process)
            if process.poll() is None:
                process.terminate()
            left += _ended(family)
        return left


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
def misfit(tmp_path_factory):
    """A cluster whose one worker has another version of the shipped cells, in front of them on its path."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    cells = Path(shutil.copytree(HERE.parent / "plugins" / "harness_cells", cluster.folder / "other" / "harness_cells"))
    with (cells / "gru.py").open("a") as file:
        file.write("# another version\n")
    cluster.work("misfit", PYTHONPATH=os.pathsep.join([str(cells.parent), *sys.path]))
    yield cluster
    assert not cluster.end()


@pytest.fixture
def cluster(misfit):
    """With two workers of one slot each beside it."""
    for name in {"one", "two"} - misfit.processes.keys():
        misfit.work(name)
    misfit.lingers.unlink(missing_ok=True)
    return misfit


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


def test_a_run_without_a_fit_worker_says_what_differs_and_leaves_no_folder(misfit, grid):
    with pytest.raises(HarnessError, match=r"plugin cells: cell-harness .* there, cell-harness .* here$"):
        list(events_of(grid, "rnn", executor="dask", scheduler=misfit.address))
    assert not list((grid.parent / "results" / "runs").iterdir())


def test_workers_answer_as_this_machine_does_from_a_plugins_text_alone(cluster, grid, tmp_path):
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
    assert "is refused: plugin cells: cell-harness" in refused
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


def test_two_interrupts_end_what_runs_and_leave_nothing_on_the_workers(cluster, grid):
    for event in events_of(grid, LINGERS, (HOSTILE,), executor="dask", scheduler=cluster.address):
        if isinstance(event, Started) and event.request.trial.seed == 0:
            trial = cluster.lingering()
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGINT)
                assert trial.is_running(), "the first is a wish"
    assert not _ended([trial])
    assert not [p for worker in cluster.processes.values() for p in _family(worker)[1:]]


def test_a_killed_driver_takes_its_trials_with_it(cluster, grid):
    driver = cluster.drive(grid, LINGERS)
    trial = cluster.lingering()
    driver.kill()
    driver.communicate()
    assert not _ended([trial])


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
    records = [record for _, record in store.read_all(tmp_path / "results")]
    asked = Counter(record.id for record in records)
    assert len(asked) == len(store.read_run(tmp_path / "results").planned) == 20
    assert wanted <= len(before) < 20
    assert not [(record.status, record.reason) for record in records if asked[record.id] > 1]


def test_what_travels_is_checked_and_comes_out_as_it_went_in():
    parcel = pack({"a": [1.5, float("inf"), "é\n"]}, b"\n\x00bytes")
    assert unpack(parcel) == ({"a": [1.5, float("inf"), "é\n"]}, b"\n\x00bytes")
    for damaged in (b"", parcel[:-1], parcel.replace(b"1.5", b"2.5"), pack({}).replace(b"{}", b"[]")):
        with pytest.raises(ValueError, match="checksum"):
            unpack(damaged)


@pytest.mark.parametrize("address", ["tls://10.0.0.1:8786", "tcp://127.0.0.1:1", "localhost:8786", "tcp://[::1]:8786"])
def test_an_encrypted_address_or_a_loopback_one_is_safe(address):
    assert not warning(scheduler_address(address))


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "ws://node7:80", "tcp://192.168.0.9:1"])
def test_an_address_others_can_listen_to_is_warned_of(address):
    assert "neither encrypted nor on this machine" in warning(scheduler_address(address))


@pytest.mark.parametrize(
    "address", ["node7", "http://node7:80", "tcp://:80", "tcp://node7:0", "tcp://node7:x", "", "::"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(HarnessError, match="wanted a scheduler's address"):
        scheduler_address(address)


def test_without_dask_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(HarnessError, match=r"pip install 'cell-harness\[dask\]'"):
        require_dask()


def test_nobody_imports_dask_who_is_not_asked_to():
    program = (
        "import sys, harness.runner, harness.executors.dask, harness.cli.run\n"
        "assert not {'distributed', 'dask', 'torch'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_worker_that_lacks_a_plugin_is_told_of_the_plugin_not_of_all_it_offers():
    here = {"the harness": "1", "plugin cells": "2", "cell rnn": "by cells", "cell gru": "by cells"}
    assert differences(here, {"the harness": "1"}) == ["plugin cells: none there, 2 here"]
    assert differences(here, here | {"cell gru": "by mine"}) == ["cell gru: by mine there, by cells here"]
    assert differences(here, here | {"plugin more": "3"}) == []


def test_a_recorded_reason_names_no_address():
    worker = "<WorkerState 'tcp://10.0.0.7:41', name: 3>"
    assert _reason(OSError(f"killed {worker}\nmore")) == "OSError: killed <WorkerState 'an address', name: 3>"


def place(address, host, machine, slots, gpus=0, torch="2"):
    told = {"host": host, "fingerprint": machine, "facts": {"torch": torch, "numpy": "2"}}
    return Place.of(address, told | {"slots": slots, "gpus": [str(n) for n in range(gpus)]})


def trial(measure, device="cpu"):
    return Trial(measure=measure, cell=Subject(name="rnn", version=1), backend="torch", device=device)


def test_what_rests_on_a_machine_goes_to_one_kind_and_a_timing_has_its_host_for_itself():
    places = Places()
    for one in (place("a", "h1", "x", 2), place("b", "h1", "x", 3), place("c", "h2", "y", 4)):
        places.admit(one)
    assert places.choose_machine() == []
    assert list(places.machines) == ["x", "y"], "x has five slots, y four"
    assert places.for_trial(trial("accuracy"), alone=False).address == "c"
    assert places.for_trial(trial("memory"), alone=False).address == "b"
    timed = places.for_trial(trial("speed"), alone=True)
    assert timed.address == "b"
    assert timed.take(trial("speed"), alone=True) == {"slots": 3, "gpus": 0}
    assert places.for_trial(trial("speed"), alone=True) is None, "the other worker is on the same host"


def test_workers_whose_answers_would_rest_on_another_torch_are_told_apart():
    places = Places()
    for one in (place("a", "h1", "x", 2), place("b", "h2", "y", 1, torch="3")):
        places.admit(one)
    assert [other.address for other in places.choose_machine()] == ["b"]
    assert list(places.machines) == ["x"]
    assert places.unlike(place("c", "h3", "z", 9, torch="3")) == ["torch: 3 there, 2 on the others"]


def test_a_trial_on_cuda_takes_a_gpu_and_waits_where_none_is_free():
    places = Places()
    places.admit(place("a", "h1", "x", 8, gpus=1))
    places.choose_machine()
    first = places.for_trial(trial("accuracy", "cuda"), alone=False)
    taken = first.take(trial("accuracy", "cuda"), alone=False)
    assert taken == {"slots": 1, "gpus": 1}
    assert places.for_trial(trial("accuracy", "cuda"), alone=False) is None
    assert places.for_trial(trial("accuracy"), alone=False) is first
    first.give_back(taken)
    assert places.for_trial(trial("accuracy", "cuda"), alone=False) is first


def test_a_workers_gpus_are_those_it_may_see(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpus({}, tmp_path) == ["0", "1"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-5f"}, tmp_path) == ["3", "GPU-5f"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == gpus({"CUDA_VISIBLE_DEVICES": "-1"}, tmp_path) == []
