"""A cluster on this machine alone: `python -m harness.executors.remote.cluster`, ended by the end of its input.

One scheduler and one worker with a thread a slot, on the loopback, in a session of their own, so that no Ctrl-C reaches
them.
What passes between them and the driver is encrypted by a certificate that exists in memory only: without it any user of
this machine could run programs as its owner.
"""

import asyncio
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import dask
from distributed import LocalCluster
from distributed.security import Security

from harness.errors import HarnessError

QUIET = {
    "distributed.worker.profile.enabled": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.system-monitor.interval": "60s",
    "distributed.nanny.pre-spawn-environ": {},
    "distributed.scheduler.allowed-failures": 0,
}
"""Nobody profiles a worker or looks at its memory: its trials are elsewhere, and their limits are the harness's."""
FIELDS = ("ca_file", "scheduler_key", "scheduler_cert", "worker_key", "worker_cert", "client_key", "client_cert")


class OwnCluster:
    """A cluster as a process of its own. Use it as a context manager; leaving it ends the cluster.

    `log`: the file that gets what it prints. Raises HarnessError where it does not start.
    """

    def __init__(self, slots: int, log: Path) -> None:
        self._slots, self._log = slots, log
        self.security = Security.temporary()

    def __enter__(self) -> "OwnCluster":
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "harness.executors.remote.cluster"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        certificate = {f"tls_{field}": getattr(self.security, f"tls_{field}") for field in FIELDS}
        with suppress(BrokenPipeError):
            told = {"slots": self._slots, "folder": str(self._log.parent), "certificate": certificate}
            self._process.stdin.write(json.dumps(told) + "\n")
            self._process.stdin.flush()
        self.address = self._process.stdout.readline().strip()
        if not self.address:
            self.__exit__()
            raise HarnessError("the cluster on this machine did not start", detail=self._log.read_text("utf-8")[-3000:])
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


async def serve(slots: int, folder: str, certificate: dict[str, str]) -> None:
    """Runs a cluster until standard input ends, its files in a folder; prints the scheduler's address."""
    dask.config.set({**QUIET, "temporary-directory": folder})
    security = Security(require_encryption=True, **certificate)
    options = {"n_workers": 1, "threads_per_worker": slots, "memory_limit": 0, "dashboard_address": None}
    async with LocalCluster(asynchronous=True, security=security, **options) as cluster:
        print(cluster.scheduler_address, flush=True)  # noqa: T201 -- a line to whoever started it
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(**json.loads(sys.stdin.readline())))
