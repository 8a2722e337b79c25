"""All cores of this machine: a fork server, so many slots, one deadline a trial."""

import selectors
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer
from harness.isolation.outcome import Outcome, conclude
from harness.isolation.request import Request

GRACE = 3.0
"""Seconds between the request to end and the end."""


@dataclass(slots=True)
class _Running:
    request: Request
    began: float
    deadline: float
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A trial has begun."""

    request: Request


def execute(
    server: ForkServer, requests: Iterable[Request], *, slots: int, stopping: Stopping
) -> Iterator[Started | Outcome]:
    """Runs requests on a fork server, `slots` at a time; yields what begins and what ends.

    Between events it sleeps in one `select`. Once `stopping` drains, nothing new begins; once it aborts, it returns
    and what runs is not reported: it ends with the server.
    """
    waiting, running = deque(requests), dict[Path, _Running]()
    with selectors.DefaultSelector() as selector:
        selector.register(server, selectors.EVENT_READ)
        selector.register(stopping, selectors.EVENT_READ)
        while running or (waiting and not stopping.draining):
            while waiting and len(running) < slots and not stopping.draining:
                request = waiting.popleft()
                now = time.monotonic()
                path = request.write()
                running[path] = _Running(request, now, now + request.timeout)
                server.run(path)
                yield Started(request)
            next_deadline = min(entry.deadline for entry in running.values())
            ready = {key.fileobj for key, _ in selector.select(max(0.0, next_deadline - time.monotonic()))}
            if stopping in ready:
                stopping.acknowledge()
            if stopping.aborting:
                return
            if server in ready:
                for path, status in server.ended():
                    entry = running.pop(path)
                    yield conclude(entry.request, status, time.monotonic() - entry.began, killed=entry.killed)
            _enforce_deadlines(server, running)


def _enforce_deadlines(server: ForkServer, running: dict[Path, _Running]) -> None:
    now = time.monotonic()
    for path, entry in running.items():
        if now >= entry.deadline:
            server.kill(path, signal.SIGKILL if entry.killed else signal.SIGTERM)
            entry.killed, entry.deadline = True, now + GRACE
