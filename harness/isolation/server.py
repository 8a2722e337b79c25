"""The fork server: a process that has imported torch, computed nothing, and forks one child a trial.

Started as `python -m harness.isolation.server SOCKET PARENT`, with the environment of trials. It says {"ready": true},
reads one JSON line a command from the socket, {"run": request file} or {"kill": request file, "signal": n}, and answers
{"ended": request file, "status": wait status, "held": bytes it was killed for, or 0, "output": the end of what it
printed}. It sleeps in one `select`; when the socket closes it ends its children and all that descend from them. It
writes no file: what lies in a trial's folder is the trial's.
"""

import contextlib
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.bench.lifetime import die_with_parent
from harness.isolation.family import adopt_orphans, end_all, held_bytes, kill_abandoned, signal_session
from harness.isolation.limits import restrict
from harness.isolation.output import Tail, redirect_output
from harness.isolation.request import REQUEST, Request

MEASURES = ("accuracy", "conformance", "memory", "speed")
LAZY = ("torch._dynamo", "torch._inductor.config", "memray")
"""What torch imports at the first optimiser step, over a second of it, and what only some measures import."""
NOT_STARTED = os.EX_OSERR << 8
"""The wait status of what could not be started."""
WATCH = 0.5
"""Seconds between two looks at what trials hold in memory; nobody looks while something is timed."""


def preload() -> None:
    """Imports what every trial needs; nothing is computed, no thread pool started, CUDA not touched."""
    from harness import plugins

    for name in (*(f"harness.measures.{measure}" for measure in MEASURES), *LAZY):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    plugins.load()
    gc.collect()
    gc.freeze()  # what is imported here lives for ever: no child's collector needs to walk it, or copies its pages


@dataclass(slots=True)
class _Child:
    path: str
    request: Request
    output: Tail
    held: int = 0


class Server:
    """The children that run, by pid."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel, self._buffer = channel, b""
        self._running: dict[int, _Child] = {}
        self._ended: list[dict[str, Any]] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)
        self._wake = _woken_by_children()
        self._selector.register(self._wake, selectors.EVENT_READ)

    def serve(self) -> None:
        """Runs until the other side closes the socket, then ends every descendant; no SIGTERM comes before that."""
        self._tell({"ready": True})
        try:
            self._listen()
        finally:
            for pid in self._running:
                signal_session(pid, signal.SIGKILL)
            end_all()

    def _listen(self) -> None:
        while True:
            ready = [key.fileobj for key, _ in self._selector.select(self._patience())]
            for tail in ready:
                if isinstance(tail, Tail) and not tail.read():
                    self._selector.unregister(tail)
            if self._wake in ready:
                os.read(self._wake, 4096)
            if self._channel in ready and not self._hear():
                return
            self._reap()
            if not kill_abandoned(self._running):  # a trial has ended when nothing is left of it
                self._tell(*self._ended)
                self._ended.clear()
            self._watch()

    def _patience(self) -> float | None:
        watched = any(child.request.watched for child in self._running.values())
        return WATCH if watched and not self._timing() else None

    def _timing(self) -> bool:
        return any(child.request.timed for child in self._running.values())

    def _hear(self) -> bool:
        """Obeys what has come. Returns whether the other side is still there."""
        with contextlib.suppress(ConnectionResetError):
            received = self._channel.recv(65536)
            *lines, self._buffer = (self._buffer + received).split(b"\n")
            for line in lines:
                self._obey(json.loads(line))
            return bool(received)
        return False

    def _obey(self, command: dict[str, Any]) -> None:
        if "run" in command:
            try:
                self._run(command["run"])
            except (OSError, ValueError) as error:  # no process to be had, or its request is gone
                told = f"could not be started: {error}"
                self._ended.append({"ended": command["run"], "status": NOT_STARTED, "held": 0, "output": told})
            return
        for pid, child in self._running.items():
            if child.request.folder == Path(command["kill"]).parent:
                signal_session(pid, command["signal"])

    def _run(self, path: str) -> None:
        request = Request.read(Path(path))
        reading, writing = os.pipe()
        try:
            pid = _fork(request, writing)
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        child = self._running[pid] = _Child(path, request, Tail(reading))
        self._selector.register(child.output, selectors.EVENT_READ)

    def _reap(self) -> None:
        """Buries the dead, and notes which were trials."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if child := self._running.pop(pid, None):
                with contextlib.suppress(KeyError):  # it had closed its output before
                    self._selector.unregister(child.output)
                told = {"held": child.held, "output": child.output.close()}
                self._ended.append({"ended": child.path, "status": status} | told)

    def _watch(self) -> None:
        """Kills a trial whose processes hold more than it may."""
        if self._timing():
            return
        for pid, child in self._running.items():
            if child.request.watched and (held := held_bytes(pid, child.request.memory)) > child.request.memory:
                child.held = held
                signal_session(pid, signal.SIGKILL)

    def _tell(self, *messages: dict[str, Any]) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # reading says so too, and that ends it all
            self._channel.sendall(b"".join(json.dumps(message).encode() + b"\n" for message in messages))


def _woken_by_children() -> int:
    """A descriptor that becomes readable when a child has ended."""
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    return wake_read


def _fork(request: Request, output: int) -> int:
    """Forks the child of one trial: its own session, output to a pipe, Ctrl-C ignored."""
    server = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        die_with_parent(server)
        redirect_output(output)
        os.closerange(3, 1024)
        restrict(0 if request.spawn else request.memory)  # what CUDA maps is not the trial's to answer for
        if request.spawn:
            os.environ |= {"CUDA_VISIBLE_DEVICES": request.gpu} if request.gpu else {}
            path = str(request.folder / REQUEST)
            os.execv(sys.executable, [sys.executable, "-P", "-m", "harness.isolation.child", path])
        from harness.isolation.child import main

        code = main(request)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:  # noqa: BLE001 -- nothing may climb into the server's loop out of a forked child
        traceback.print_exc()
    finally:
        try:
            from harness.isolation.child import leave

            leave(code)
        finally:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]), signal.SIGTERM)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    adopt_orphans()
    Server(socket.socket(fileno=int(sys.argv[1]))).serve()
