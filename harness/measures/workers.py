"""Worker processes: one question at a time, dead with their parent."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

from harness.bench.lifetime import die_with_parent
from harness.bench.serving import serve
from harness.errors import HarnessError


class WorkerFailed(Exception):
    """A worker raised or ended; the first line says who and what, the rest is the worker's own traceback."""


class Worker:
    """A process that holds one object and calls its methods on demand. Use it as a context manager.

    While the worker does not work it blocks in a read; with `stopped` it is stopped altogether, because the threads
    of an idle pool may spin. `wait` waits for its end and gives the exit code, negative for a signal.
    """

    def __init__(
        self, name: str, connection: Connection, pid: int, *, wait: Callable[[], int], stopped: bool = False
    ) -> None:
        self._name, self._connection, self._pid = name, connection, pid
        self._wait, self._stopped = wait, stopped

    def __enter__(self) -> "Worker":
        try:
            self._receive()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Kills it: it has nothing to save, and a stopped process hears nothing else."""
        self._connection.close()
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._wait()
            self._pid = 0

    def ask(self, method: str, *arguments: object) -> Any:
        """Calls a method of the worker's object and waits for what it returns.

        Raises HarnessError or MemoryError where the worker raised these, WorkerFailed for all else it raised and
        where it ended.
        """
        if self._stopped:
            os.kill(self._pid, signal.SIGCONT)
        try:
            self._connection.send((method, arguments))
        except OSError:
            raise self._ended() from None
        return self._receive()

    def _receive(self) -> Any:
        try:
            outcome, *reply = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if outcome == "raised":
            raise _error(self._name, *reply)
        if self._stopped:
            os.kill(self._pid, signal.SIGSTOP)
        return reply[0]

    def _ended(self) -> Exception:
        code, self._pid = self._wait(), 0
        if code == -signal.SIGKILL:
            return MemoryError(f"{self._name} was killed from outside: most often the machine ran out of memory")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return WorkerFailed(f"{self._name} ended {how}")


def forked(name: str, prepare: Callable[[], object], *, stopped: bool = False) -> Worker:
    """A worker forked from this process; `prepare` makes its object, in the new process.

    The caller must have computed nothing: thread pools and CUDA do not survive a fork.
    """
    ours, theirs = multiprocessing.Pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    gc.freeze()  # or the child's first collection copies every page of the parent's objects: 0.15 s
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        serve(theirs, lambda: _prepared(prepare, parent))
    theirs.close()
    return Worker(name, ours, pid, wait=lambda: os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), stopped=stopped)


def executed(
    name: str, command: Sequence[str], variables: Mapping[str, str], request: object, *, stopped: bool = False
) -> Worker:
    """A worker started as a command: its last argument is its end of the connection, its first message `request`."""
    ours, theirs = multiprocessing.Pipe()
    process = subprocess.Popen(
        [*command, str(theirs.fileno())],
        env=dict(variables),
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is the referee's business
    )
    theirs.close()
    ours.send(request)
    return Worker(name, ours, process.pid, wait=process.wait, stopped=stopped)


def _prepared(prepare: Callable[[], object], parent: int) -> object:
    die_with_parent(parent)
    return prepare()


def _error(name: str, kind: str, summary: str, trace: str) -> Exception:
    if kind == "mistake":
        return HarnessError(f"{name}: {summary}")
    text = f"{name}: {summary}\n\n{trace}"
    return MemoryError(text) if kind == "memory" else WorkerFailed(text)
