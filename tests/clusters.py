"""A Dask cluster of real processes on the loopback, as an administrator starts one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from harness import store
from harness.record import Status

HOSTILE = Path(__file__).parent / "plugins" / "hostile.py"


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

    def work(self, name: str, *flags: str, **variables: str) -> None:
        self._start("worker", self.address, "--no-nanny", "--nthreads", "1", "--no-dashboard", *flags, **variables)
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
        found = family(worker)
        worker.kill()
        assert not ended(found)

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
            found = family(process)
            if process.poll() is None:
                process.terminate()
            left += ended(found)
        return left


def family(process: psutil.Process) -> list[psutil.Process]:
    """A process and all that came of it."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def ended(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Waits for their end and gives those that had to be ended by force."""
    _, alive = psutil.wait_procs(processes, timeout=30)
    for process in alive:
        process.kill()
    return alive


def answers(results: Path) -> dict[str, tuple[Status, str]]:
    """By trial the status and the digest of the answer of a run, of which every planned trial must have a record."""
    view = store.read_run(results)
    assert {trial.id for trial in view.planned} == set(view.records)
    return {key: (record.status, record.answer) for key, record in view.records.items()}
