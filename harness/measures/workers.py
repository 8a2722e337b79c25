"""Worker processes: forked, one question at a time, dead with their parent."""

import gc
import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal, NoReturn

from harness.errors import HarnessError
from harness.lifetime import die_with_parent

FRAMES = 30
"""The innermost frames of a worker's traceback that its parent gets to see."""


class WorkerFailed(Exception):
    """A worker raised or ended; the first line says who and what, the rest is the worker's own traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """What a worker sends when it raised; `kind` says what the parent shall raise."""

    kind: Literal["mistake", "memory", "other"]
    summary: str
    trace: str


class Worker:
    """A forked process that holds one object and calls its methods on demand. Use it as a context manager.

    `prepare` makes the object, in the new process. While the worker does not work, it blocks in a read; with
    `stopped` it is stopped altogether, because the threads of an idle pool may spin. The caller must have
    computed nothing: thread pools and CUDA do not survive a fork.
    """

    def __init__(self, name: str, prepare: Callable[[], object], *, stopped: bool = False) -> None:
        self._name, self._stopped = name, stopped
        self._connection, theirs = multiprocessing.Pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        gc.freeze()  # or the child's first collection copies every page of the parent's objects: 0.15 s
        parent = os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            self._connection.close()
            _serve(theirs, prepare, parent)
        theirs.close()

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
            os.waitpid(self._pid, 0)
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
            reply = self._connection.recv()
        except (EOFError, OSError):
            raise self._ended() from None
        if isinstance(reply, _Failure):
            raise _error(self._name, reply)
        if self._stopped:
            os.kill(self._pid, signal.SIGSTOP)
        return reply

    def _ended(self) -> Exception:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        if code == -signal.SIGKILL:
            return MemoryError(f"{self._name} was killed from outside: most often the machine ran out of memory")
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return WorkerFailed(f"{self._name} ended {how}")


def _serve(connection: Connection, prepare: Callable[[], object], parent: int) -> NoReturn:
    """The worker's whole life; nothing may climb out of it into the parent's code."""

    code = 1
    try:
        die_with_parent(parent)
        served, reply = prepare(), None
        while True:
            connection.send(reply)
            method, arguments = connection.recv()
            reply = getattr(served, method)(*arguments)
    except Exception as error:  # noqa: BLE001 -- ending a trial: this is the part of it that ran the plugin
        connection.send(_failure(error))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _failure(error: Exception) -> _Failure:
    """torch's own out-of-memory errors are no MemoryErrors; their name is all they share."""
    out_of_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    kind: Literal["mistake", "memory", "other"] = "memory" if out_of_memory else "other"
    if isinstance(error, HarnessError):
        return _Failure(kind="mistake", summary=str(error), trace="")
    summary = "".join(traceback.format_exception_only(error)).strip()
    return _Failure(kind=kind, summary=summary, trace="".join(traceback.format_exception(error, limit=-FRAMES)))


def _error(name: str, failure: _Failure) -> Exception:
    if failure.kind == "mistake":
        return HarnessError(f"{name}: {failure.summary}")
    text = f"{name}: {failure.summary}\n\n{failure.trace}"
    return MemoryError(text) if failure.kind == "memory" else WorkerFailed(text)
