"""What a trial costs beside its own work, on this machine's cores and on a Dask cluster.

docs/scaling.md stands on these figures: `TRIALS=1000 python -m pytest proof/test_scaling.py`.
"""

import os
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from harness import plugins
from harness.executors.dask import Dask
from harness.executors.local import Local, Started
from harness.executors.remote.needs import Needs
from harness.executors.stopping import Stopping
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request
from harness.record import Status
from harness.settings import ModelSettings, TrainingSettings
from harness.spelling import parse
from harness.trial import Subject, Trial

TRIALS = int(os.environ.get("TRIALS", "300"))
SLOTS = 2
HOSTILE = Path(__file__).parent.parent / "tests" / "plugins" / "hostile.py"


@dataclass(frozen=True)
class Cost:
    """Seconds: from asking to outcome, the median; a trial, of wall, and of the processors of who takes part."""

    median: float
    wall: float
    driver: float
    scheduler: float
    worker: float


@pytest.fixture(scope="module")
def trials():
    """Trials that leave at once: what is left is what they cost beside their work."""
    catalog = plugins.load([HOSTILE])
    first = Trial(
        measure="accuracy",
        cell=Subject.of(catalog.cell(parse("hostile[how=os_exit_0]"))),
        backend="eager",
        task=Subject.of(catalog.task(parse("adding[length=4]"))),
        model=ModelSettings(hidden=2),
        training=TrainingSettings(steps=4),
    )
    return catalog, [replace(first, seed=seed) for seed in range(TRIALS)]


def cost(executor, trials):
    with Stopping() as stopping, executor:
        list(executor.ready(stopping))
        requests = [
            Request(trial=trial, folder=executor.folder / trial.id, plugin_files=(HOSTILE,), timeout=60.0)
            for trial in trials
        ]
        drain(executor.execute(requests[: 2 * SLOTS], stopping, alone=False))  # the fork server imports torch
        schedulers = [p for p in psutil.Process().children() if "harness.executors.remote.cluster" in p.cmdline()]
        workers = [worker for scheduler in schedulers for worker in scheduler.children()]
        wall, used = time.monotonic(), [time.process_time(), busy(schedulers), busy(workers)]
        waits = drain(executor.execute(requests[2 * SLOTS :], stopping, alone=False))
        used = [time.process_time() - used[0], busy(schedulers) - used[1], busy(workers) - used[2]]
        return Cost(statistics.median(waits), *(total / len(waits) for total in (time.monotonic() - wall, *used)))


def busy(processes):
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def drain(events):
    began, waits = {}, []
    for event in events:
        if isinstance(event, Started):
            began[event.request.trial.id] = time.monotonic()
        if isinstance(event, Outcome):
            assert event.result.status == Status.NO_RESULT
            assert "exit code 0" in event.result.reason
            waits.append(time.monotonic() - began[event.request.trial.id])
    return waits


def test_a_trial_on_a_cluster_costs_little_more_than_on_this_machine(trials, prove):
    catalog, asked = trials
    here = cost(Local("cpu", SLOTS), asked)
    there = cost(Dask(None, Needs.of(catalog, asked, (HOSTILE,)), SLOTS), asked)
    for name, found in (("this machine", here), ("a Dask cluster here", there)):
        told = (
            f"{1e3 * found.median:.0f} ms in the median, one every {1e3 * found.wall:.0f} ms on {SLOTS} slots; "
            f"processors: {1e3 * found.driver:.1f} ms the driver's, {1e3 * found.scheduler:.1f} ms the scheduler's, "
            f"{1e3 * found.worker:.1f} ms the worker's"
        )
        prove(f"a trial that leaves at once, {TRIALS:,} of them, on {name}", "", told)
    prove("Dask costs a trial", "≤ 50 ms in the median", f"{1e3 * (there.median - here.median):.0f} ms")
    assert there.median - here.median <= 0.05
