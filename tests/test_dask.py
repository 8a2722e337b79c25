"""A Dask cluster of real processes on the loopback: equal answers, and whoever dies costs what is promised, no more."""

import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from clusters import HOSTILE, Cluster, answers, ended, family
from harness import plugins, store
from harness.errors import HarnessError
from harness.events import Opened, Recorded
from harness.executors.executor import Told
from harness.executors.local import Started
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.record import Status
from harness.runner import run
from harness.selection import Selection, select
from harness.session import RunOptions

HERE = Path(__file__).parent
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
    assert not ended([trial])
    assert not [p for worker in cluster.processes.values() for p in family(worker)[1:]]


def test_a_killed_driver_takes_its_trials_with_it(cluster, grid):
    driver = cluster.drive(grid, LINGERS)
    trial = cluster.lingering()
    driver.kill()
    driver.communicate()
    assert not ended([trial])


def test_a_lost_scheduler_loses_nothing_recorded_and_the_next_run_does_the_rest(cluster, grid, tmp_path):
    """The last one: it ends the cluster, and the workers by themselves."""
    cells, wanted = "rnn,gru", random.Random(SEED).randint(3, 6)
    driver = cluster.drive(grid, cells, seeds=9)
    journals = list((tmp_path / "results" / "runs").glob("*/records.jsonl"))
    while sum(path.read_bytes().count(b"\n") for path in journals) < wanted:
        assert driver.poll() is None
        journals = list((tmp_path / "results" / "runs").glob("*/records.jsonl"))
        time.sleep(0.005)
    workers = [p for name, process in cluster.processes.items() for p in family(process) if name != "scheduler"]
    cluster.processes["scheduler"].kill()
    _, told = driver.communicate()
    assert driver.returncode == 1, told
    print(f"seed {SEED}: the scheduler was killed after {wanted} of 20 records")
    assert f"error: the scheduler is gone: {cluster.address} does not answer any more\nhint: what was" in told
    assert "Traceback" not in told
    assert not ended(workers)
    before = [record.id for _, record in store.read_all(tmp_path / "results")]
    list(events_of(grid, cells, (HOSTILE,), seeds=9))
    records = [record for _, record in store.read_all(tmp_path / "results")]
    asked = Counter(record.id for record in records)
    assert len(asked) == len(store.read_run(tmp_path / "results").planned) == 20
    assert wanted <= len(before) < 20
    assert not [(record.status, record.reason) for record in records if asked[record.id] > 1]
