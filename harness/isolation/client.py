"""The runner's side of a fork server: starts it, sends requests, hears how they ended."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from harness.environment import FIXED, POOLS
from harness.errors import HarnessError


def environment(threads: int) -> dict[str, str]:
    """The environment of trials on so many threads: every pool's size, set before any of them starts.

    Presets of BLAS variables are left as they are and recorded; hashes are fixed.
    """
    return {**os.environ, **dict.fromkeys(POOLS, str(threads)), **FIXED}


class ForkServer:
    """A running fork server. Use it as a context manager; leaving it ends the server and all its children."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._channel, theirs = socket.socketpair()
        self._buffer = b""
        command = [sys.executable, "-m", "harness.isolation.server", str(theirs.fileno()), str(os.getpid())]
        self._process = subprocess.Popen(
            command, env=dict(variables), pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()

    def __enter__(self) -> "ForkServer":
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._process.terminate()  # heard only while it still imports, when nothing runs yet
        self._process.wait()

    def fileno(self) -> int:
        """For `select`: readable when something has ended."""
        return self._channel.fileno()

    def run(self, request: Path) -> None:
        """Starts the trial of a request file."""
        self._send({"run": str(request)})

    def kill(self, request: Path, number: signal.Signals) -> None:
        """Signals the whole session of a running trial."""
        self._send({"kill": str(request), "signal": int(number)})

    def ended(self) -> list[tuple[Path, int]]:
        """The trials that have ended since, with their wait statuses; blocks until there is something to read.

        Raises HarnessError where the server itself has ended.
        """
        received = self._channel.recv(65536)
        if not received:
            raise HarnessError(f"the process that starts trials ended with exit code {self._process.wait()}")
        *lines, self._buffer = (self._buffer + received).split(b"\n")
        answers = [json.loads(line) for line in lines]
        return [(Path(answer["ended"]), answer["status"]) for answer in answers]

    def _send(self, command: dict[str, str | int]) -> None:
        try:
            self._channel.sendall(json.dumps(command).encode() + b"\n")
        except BrokenPipeError as error:
            raise HarnessError("the process that starts trials has ended") from error
