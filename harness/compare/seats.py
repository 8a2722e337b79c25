"""Seats: a process a revision, which forks fresh workers that time that revision's layers."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import harness
from harness.errors import HarnessError
from harness.isolation.client import environment
from harness.measures.workers import Worker

BENCH = Path(harness.__file__).parent / "bench"
FOLDERS = ("", "plugins", "tasks")
"""What of a working tree stands on the path."""


class Seat:
    """A revision's process. Use it as a context manager; raises HarnessError where that revision cannot be imported."""

    def __init__(self, tree: Path, threads: int) -> None:
        self._tree = tree
        self._variables = environment(threads) | {"PYTHONPATH": ":".join(str(tree / name) for name in FOLDERS)}

    def __enter__(self) -> "Seat":
        self._scratch = tempfile.TemporaryDirectory(prefix="harness-")
        self._listener = Listener(str(Path(self._scratch.name) / "seat"), family="AF_UNIX")
        self._process = subprocess.Popen(
            [sys.executable, str(BENCH)],
            env=self._variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the referee's business
            text=True,
        )
        try:
            home = Path(self._read()["harness"]).parent
            if home != self._tree.resolve():
                raise HarnessError(f"wanted the revision in {self._tree}, found that it imports {home}")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._listener.close()
        self._scratch.cleanup()

    def worker(self, name: str, request: Mapping[str, Any]) -> Worker:
        """A fresh worker; `request` as `harness/bench/__main__.py` says, without the address."""
        assert self._process.stdin is not None
        line = json.dumps({**request, "address": self._listener.address})
        print(line, file=self._process.stdin, flush=True)
        connection = self._listener.accept()
        return Worker(name, connection, self._read()["pid"], stopped=request["threads"] > 1, reap=None)

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise HarnessError(
                f"the revision in {self._tree} cannot be imported: its process ended with {self._process.wait()}",
                hint="it needs `harness.build(pair, inputs=…, hidden=…)`",
            )
        found: dict[str, Any] = json.loads(line)
        return found
