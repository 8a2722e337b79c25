"""What Dask calls on a worker: greet it once a run, ask it trials, take leave of it.

Arguments and results are bytes (see `parcel`), functions are pickled as their names; nothing else of the harness
travels in Dask's pickles.
"""

import asyncio
import subprocess
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import dask
from distributed import Worker, WorkerPlugin, get_worker

from harness import canonical
from harness.environment import POOLS, private
from harness.executors.remote.host import Host
from harness.executors.remote.introduction import ANSWER
from harness.executors.remote.parcel import pack, unpack
from harness.executors.remote.room import write_files
from harness.isolation.client import environment
from harness.locks import TimingTurn
from harness.scratch import scratch

SLOT, GPU = "harness-slot", "GPU"
"""Dask's abstract resources: a slot a thread, and the devices, by the name that Dask's own pages give them."""
INTRODUCING = 300.0
"""Seconds that a worker's plugins may take to be imported."""


class Guest(WorkerPlugin):
    """A run on a worker: its host, ended with the worker, or with the run. A trial nobody waits for is ended."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def transition(self, key: Any, start: Any, finish: Any, **_: Any) -> None:
        """Called by the worker: its client has gone or has given the trial up."""
        if start in ("executing", "long-running") and finish == "released":
            self.host.cancel(str(key))

    async def teardown(self, worker: Worker) -> None:
        """Called by the worker when it closes, and where the run takes leave."""
        await asyncio.to_thread(self.host.close)


async def greet(parcel: bytes, dask_worker: Worker) -> bytes:
    """Lets a run in: answers with what the worker is and has, or with why it cannot tell."""
    asked, _ = unpack(parcel)
    files = [(name, text) for name, text in asked["files"]]
    variables = without_dasks(environment(threads=1))
    found = await asyncio.to_thread(_introduction, asked, files, variables)
    if "failed" in found:
        return pack(found)
    slots, gpus = dask_worker.state.nthreads, found["gpus"]
    declared = dict(dask_worker.state.total_resources)
    gpus = gpus[: int(declared.get(GPU, len(gpus)))]
    resources = {SLOT: declared.get(SLOT, slots)} | ({GPU: len(gpus)} if gpus else {})
    if not resources.items() <= declared.items():
        await dask_worker.set_resources(**resources)
    host = Host(files, slots, gpus, variables)
    await dask_worker.plugin_add(Guest(host), name=_name(asked["run"]))
    return pack({**found, "slots": int(resources[SLOT]), "gpus": gpus})


async def answer(parcel: bytes) -> bytes:
    """Answers one trial, one that is timed when it is this worker's turn on the machine; blocks nobody meanwhile."""
    asked, _ = unpack(parcel)
    worker = get_worker()
    guest = worker.plugins.get(_name(asked["run"]))
    if not isinstance(guest, Guest):
        return pack({"failed": "its worker was started anew", "stranger": True})
    with ExitStack() as turn:
        waited = 0.0
        if asked["question"]["trial"]["measure"] == "speed":
            waited = await _wait(turn.enter_context(TimingTurn()))
        task = worker.state.tasks.get(asked["key"])
        if task is None or task.state != "executing":
            return pack({"failed": "nobody waits for it any more"})
        answering = guest.host.ask(asked["key"], asked["question"], turn.pop_all(), waited)
    return await asyncio.wrap_future(answering)


async def _wait(turn: TimingTurn) -> float:
    """Waits for a turn in a thread that keeps no process from its end: what it waits for may be anybody's timing."""
    if turn.held:
        return 0.0
    waited: Future[float] = Future()
    waited.set_running_or_notify_cancel()  # from now on nobody's but the thread's to settle

    def wait() -> None:
        try:
            waited.set_result(turn.wait())
        except OSError as error:  # its task has ended meanwhile, and closed the lock
            waited.set_exception(error)

    threading.Thread(target=wait, name="harness-turn", daemon=True).start()
    return await asyncio.wrap_future(waited)


async def part(parcel: bytes, dask_worker: Worker) -> None:
    """The run is over: ends what it has left on the worker."""
    asked, _ = unpack(parcel)
    if _name(asked["run"]) in dask_worker.plugins:
        await dask_worker.plugin_remove(_name(asked["run"]))


def without_dasks(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment without what Dask's nanny sets for its own workers: an allocator tuned for theirs is not ours.

    What the user has set otherwise stays.
    """
    own = {name: str(value) for name, value in dask.config.get("distributed.nanny.pre-spawn-environ", {}).items()}
    return {name: value for name, value in variables.items() if name in POOLS or own.get(name) != value}


def _introduction(asked: Mapping[str, Any], files: list[tuple[str, str]], variables: Mapping[str, str]) -> Any:
    with scratch() as folder:
        request = folder / "request.json"
        written = [str(path) for path in write_files(folder, files)]
        request.write_text(canonical.dumps({"files": written, "tasks": asked["tasks"], "device": asked["device"]}))
        command = [sys.executable, "-P", "-m", "harness.executors.remote.introduction", str(request)]
        try:
            done = subprocess.run(
                command,
                env=dict(variables),
                capture_output=True,
                text=True,
                errors="replace",
                timeout=INTRODUCING,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"its plugins were not imported within {INTRODUCING:g} s"}
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return {"failed": private(f"its plugins ended a process with exit code {done.returncode}: {last}")}
        return canonical.loads((folder / ANSWER).read_bytes())


def _name(run: str) -> str:
    return f"harness-{run}"
