"""The worker's side of one run: a fork server and its children, in a thread that lives while there is work."""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.executors.local import Children
from harness.executors.remote.mailbox import Mailbox
from harness.executors.remote.parcel import pack, pack_outcome
from harness.executors.remote.room import Files, Room
from harness.isolation.client import ForkServer
from harness.scratch import scratch
from harness.trial import Trial

IDLE = 60.0
"""Seconds without a question after which nothing is kept: a driver that was killed leaves nothing for longer."""
CLOSED = "its worker was closed while it ran"


@dataclass(slots=True, eq=False)
class _Job:
    """`turn`: what is held while it runs, the machine's turn to time; `waited`: the seconds until it was."""

    key: str
    trial: Trial
    question: Mapping[str, Any]
    turn: ExitStack
    waited: float
    answer: "Future[bytes]"

    def fail(self, reason: str) -> None:
        """Settles it without an outcome."""
        self.turn.close()
        self.answer.set_result(pack({"failed": reason}))


class _Close:
    """Nothing more is to be done."""


class Host:
    """Answers a run's questions on this worker, `slots` at once; any thread may call it.

    `files`: the run's `--plugin` files; `gpus`: the devices, of which trials get one each; `variables`: the environment
    of trials.
    """

    def __init__(self, files: Files, slots: int, gpus: Sequence[str], variables: Mapping[str, str]) -> None:
        self._files, self._slots, self._gpus, self._variables = files, slots, gpus, variables
        self._orders: Mailbox[_Job | str | _Close] = Mailbox()
        self._guard, self._closed = threading.Lock(), False
        self._thread: threading.Thread | None = None

    def ask(self, key: str, question: Mapping[str, Any], turn: ExitStack, waited: float = 0.0) -> "Future[bytes]":
        """The answer to come to a question: a parcel, whatever happens. `turn` is closed when the trial has ended.

        Raises KeyError or TypeError for what is no question.
        """
        job = _Job(key, Trial.from_plain(question["trial"]), question, turn, waited, Future())
        job.answer.set_running_or_notify_cancel()  # from now on nobody's but the thread's to settle
        with self._guard:
            if self._closed:
                job.fail(CLOSED)
                return job.answer
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="harness-host", daemon=True)
                self._thread.start()
            self._orders.put(job)
        return job.answer

    def cancel(self, key: str) -> None:
        """Ends what runs under a key: nobody waits for it any more."""
        self._orders.put(key)

    def close(self) -> None:
        """Ends everything that runs here; returns when nothing is left. Whatever is asked afterwards fails."""
        with self._guard:
            self._closed, thread = True, self._thread
            self._orders.put(_Close())
        if thread is not None:
            thread.join()
        self._orders.close()

    def _serve(self) -> None:
        """The thread. The fork server is its child: the kernel ends it with the thread that started it."""
        running: dict[Path, _Job] = {}
        reason = CLOSED
        try:
            with scratch() as folder, ForkServer(self._variables) as server, closing(Children(server)) as children:
                room = Room(folder, self._files, self._slots, self._gpus)
                while self._go_on(children, running, room):
                    pass
        except (HarnessError, OSError) as error:
            reason = str(error)
        finally:
            self._settle(running, reason)

    def _go_on(self, children: Children, running: dict[Path, _Job], room: Room) -> bool:
        """Sleeps until something happens, and does it. Returns whether there may be more to do.

        Orders are heard once a trial can begin.
        """
        patience, hears = children.patience(), children.ready
        sources = [children.fileno(), self._orders.fileno()] if hears else [children.fileno()]
        ready = wait(sources, IDLE if patience is None else patience)
        for order in self._orders.take() if hears else ():
            if isinstance(order, _Close):
                return False
            if isinstance(order, _Job):
                request = room.take(order.trial, order.question)
                running[request.folder] = order
                children.begin(request, order.turn, order.waited)
            else:
                unwanted = [folder for folder, job in running.items() if job.key == order]
                children.kill(lambda request, folders=unwanted: request.folder in folders)  # type: ignore[misc]
        if children.fileno() in ready:
            for outcome in children.ended():
                running[outcome.request.folder].answer.set_result(pack_outcome(outcome))
                del running[outcome.request.folder]
                room.leave(outcome.request)
        children.enforce_deadlines()
        return bool(ready or running) or not self._retired()

    def _retired(self) -> bool:
        """Takes leave, unless something has come meanwhile: whoever asks next gets another thread."""
        with self._guard:
            if not self._orders:
                self._thread = None
            return self._thread is None

    def _settle(self, running: dict[Path, _Job], reason: str) -> None:
        """Leaves nobody waiting."""
        left = list(running.values())
        with self._guard:
            if self._thread is threading.current_thread():
                self._thread = None
                left += [order for order in self._orders.take() if isinstance(order, _Job)]
        for job in left:
            job.fail(reason)
