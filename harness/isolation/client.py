"""The runner's side of a fork server: starts it, sends requests, hears how they ended."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from harness.environment import FIXED, POOLS
from harness.errors import HarnessError


def environment(threads: int) -> dict[str, str]:
    """The environment of trials on so many threads: every pool's size, set before any of them starts.

    Presets of BLAS variables are left as they are and recorded; hashes are fixed.
    """
    return {**os.environ, **dict.fromkeys(POOLS, str(threads)), **FIXED}


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that has ended: its request file, its wait status, the bytes it was killed for holding, or 0, and the
    end of what it printed.
    """

    request: Path
    status: int
    held: int = 0
    output: str = ""


FAREWELL = 20.0
"""Seconds a server has to end all that descends from it."""


class ForkServer:
    """A running fork server. Use it as a context manager; leaving it ends the server and all that descend from it.

    One that is killed is replaced; what it ran ends as killed from outside.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = dict(variables)
        self._running: set[Path] = set()
        self._start()

    def _start(self) -> None:
        self._channel, theirs = socket.socketpair()
        self._buffer, self._ready = b"", False
        command = [sys.executable, "-P", "-m", "harness.isolation.server", str(theirs.fileno()), str(os.getpid())]
        self._process = subprocess.Popen(
            command, env=self._variables, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.terminate()  # heard only while it still imports, when nothing runs yet
        self._process.send_signal(signal.SIGCONT)  # a trial may have stopped it
        try:
            self._process.wait(FAREWELL)
        except subprocess.TimeoutExpired:
            self.end()

    @property
    def ready(self) -> bool:
        """Whether it has imported what trials need; until then it starts none."""
        return self._ready

    def end(self) -> None:
        """Ends a server that does not answer; what it ran ends with it, and is heard of as killed from outside."""
        self._process.kill()
        self._process.wait()

    def fileno(self) -> int:
        """For `select`: readable when something has ended. Another one after the server was replaced."""
        return self._channel.fileno()

    def run(self, request: Path) -> None:
        """Starts the trial of a request file."""
        self._running.add(request)
        self._send({"run": str(request)})

    def kill(self, request: Path, number: signal.Signals) -> None:
        """Signals the whole session of a running trial; a server that a trial has stopped goes on."""
        self._send({"kill": str(request), "signal": int(number)})
        self._process.send_signal(signal.SIGCONT)

    def ended(self) -> list[Ended]:
        """The trials that have ended since; blocks until there is something to read.

        Raises HarnessError where the server has ended before it could start any.
        """
        received = b""
        with suppress(ConnectionResetError):
            received = self._channel.recv(65536)
        if not received:
            return self._replace()
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        self._ready = True
        answers = [json.loads(line) for line in lines]
        ended = [Ended(Path(a["ended"]), a["status"], a["held"], a["output"]) for a in answers if "ended" in a]
        self._running -= {child.request for child in ended}
        return ended

    def _replace(self) -> list[Ended]:
        self._channel.close()
        code = self._process.wait()
        if not self._ready:
            raise HarnessError(f"the process that starts trials ended with exit code {code}")
        lost, self._running = self._running, set()
        self._start()
        return [Ended(request, signal.SIGKILL) for request in lost]

    def _send(self, command: dict[str, str | int]) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # its end is heard where its answers are read
            self._channel.sendall(json.dumps(command).encode() + b"\n")
