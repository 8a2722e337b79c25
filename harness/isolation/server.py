"""The fork server: a process that has imported torch, computed nothing, and forks one child a trial.

Started as `python -m harness.isolation.server SOCKET`, with the trials' environment. It reads one JSON line a command
from the socket, {"run": request file} or {"kill": request file, "signal": n}, and answers {"ended": request file,
"status": wait status}. It sleeps in one `select` and dies with its parent, its children with it.
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
from collections.abc import Iterator
from pathlib import Path

from harness.bench.lifetime import die_with_parent
from harness.isolation.output import redirect_output
from harness.isolation.request import OUTPUT, Request

MEASURES = ("accuracy", "conformance", "memory", "speed")
LAZY = ("torch._dynamo", "torch._inductor.config", "memray")
"""What torch imports at the first optimiser step, over a second of it, and what only some measures import."""


def preload() -> None:
    """Imports what every trial needs; nothing is computed, no thread pool started, CUDA not touched."""
    from harness import plugins

    for name in (*(f"harness.measures.{measure}" for measure in MEASURES), *LAZY):
        with contextlib.suppress(ModuleNotFoundError):
            importlib.import_module(name)
    plugins.load()
    gc.collect()
    gc.freeze()  # what is imported here lives for ever: no child's collector needs to walk it, or copies its pages


def serve(channel: socket.socket) -> None:
    """Runs until the other side closes the socket, then ends every child's session; SIGTERM cannot come before that."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    running: dict[int, str] = {}
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    os.set_blocking(wake_read, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write)
    selector = selectors.DefaultSelector()
    selector.register(channel, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    buffer = b""
    while True:
        ready = {key.fileobj for key, _ in selector.select()}
        if wake_read in ready:
            os.read(wake_read, 4096)
        if channel in ready:
            received = channel.recv(65536)
            if not received:
                break
            *lines, buffer = (buffer + received).split(b"\n")
            for line in lines:
                _obey(json.loads(line), running)
        for pid, status in _reap():
            if pid in running:
                answer = {"ended": running.pop(pid), "status": status}
                channel.sendall(json.dumps(answer).encode() + b"\n")
    for pid in running:
        _signal(pid, signal.SIGKILL)


def _obey(command: dict[str, str | int], running: dict[int, str]) -> None:
    if "run" in command:
        path = str(command["run"])
        running[_fork(Path(path))] = path
    else:
        for pid, path in running.items():
            if path == command["kill"]:
                _signal(pid, int(command["signal"]))


def _fork(request_path: Path) -> int:
    """Forks the child of one trial: its own session, output to a file, Ctrl-C ignored."""
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
        redirect_output(request_path.parent / OUTPUT)
        os.closerange(3, 256)
        if Request.read(request_path).spawn:
            os.execv(sys.executable, [sys.executable, "-m", "harness.isolation.child", str(request_path)])
        from harness.isolation.child import main

        code = main(request_path)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    except BaseException:  # noqa: BLE001 -- nothing may climb into the server's loop out of a forked child
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _signal(pid: int, number: int) -> None:
    """To the child's whole session, which bears the child's pid; the child alone where it has not made one yet."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        os.kill(pid, number)


def _reap() -> Iterator[tuple[int, int]]:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


if __name__ == "__main__":
    die_with_parent(int(sys.argv[2]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    preload()
    serve(socket.socket(fileno=int(sys.argv[1])))
