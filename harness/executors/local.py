"""All cores of this machine: a fork server, so many slots, one deadline a trial."""

import selectors
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer
from harness.isolation.outcome import Outcome, conclude
from harness.isolation.request import Request
from harness.locks import TimingTurn

GRACE = 3.0
"""Seconds between the request to end and the end."""


@dataclass(slots=True)
class _Running:
    """`turn`: what ends with the trial. `waited`: seconds before it began."""

    request: Request
    turn: ExitStack
    waited: float
    began: float
    deadline: float
    killed: bool = False
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A trial has begun."""

    request: Request


@dataclass(frozen=True, slots=True)
class Waiting:
    """A trial that is timed waits until nothing else on this machine is."""

    request: Request


def execute(
    server: ForkServer, requests: Iterable[Request], *, slots: int, stopping: Stopping
) -> Iterator[Started | Waiting | Outcome]:
    """Runs requests on a fork server, `slots` at a time; yields what begins and what ends.

    Between events it sleeps in one `select`, or, for a trial that is timed, until it is this process's turn. Once
    `stopping` drains, nothing new begins and what is timed is given up, unreported; once it aborts, it returns and
    nothing more is reported: what runs ends with the server.
    """
    waiting, running = deque(requests), dict[Path, _Running]()
    with selectors.DefaultSelector() as selector, ExitStack() as leaving:
        selector.register(server, selectors.EVENT_READ)
        selector.register(stopping, selectors.EVENT_READ)
        leaving.callback(_end_turns, running)
        while running or (waiting and not stopping.draining):
            while waiting and len(running) < slots and not stopping.draining:
                yield from _begin(server, waiting.popleft(), running, stopping)
            next_deadline = min((entry.deadline for entry in running.values()), default=0.0)
            ready = {key.fileobj for key, _ in selector.select(max(0.0, next_deadline - time.monotonic()))}
            if stopping in ready:
                stopping.acknowledge()
            if stopping.aborting:
                return
            if stopping.draining:
                _give_up_timings(server, running)
            if server in ready:
                for path, status in server.ended():
                    entry = running.pop(path)
                    entry.turn.close()
                    if not entry.given_up:
                        seconds = time.monotonic() - entry.began
                        yield conclude(entry.request, status, seconds, killed=entry.killed, waited=entry.waited)
            _enforce_deadlines(server, running)


def _begin(
    server: ForkServer, request: Request, running: dict[Path, _Running], stopping: Stopping
) -> Iterator[Started | Waiting]:
    """Starts a trial, one that is timed in its turn: its clock begins then. An interrupt ends the waiting for it."""
    with ExitStack() as turn:
        waited = 0.0
        if request.timed:
            timing = turn.enter_context(TimingTurn())
            if not timing.held:
                yield Waiting(request)
            try:
                with stopping.at_once():
                    waited = timing.wait()
            except KeyboardInterrupt:
                return
        path, now = request.write(), time.monotonic()
        running[path] = _Running(request, turn.pop_all(), waited, now, now + request.timeout)
    server.run(path)
    yield Started(request)


def _end_turns(running: dict[Path, _Running]) -> None:
    for entry in running.values():
        entry.turn.close()


def _give_up_timings(server: ForkServer, running: dict[Path, _Running]) -> None:
    """Half a timing is nothing, a whole one seconds of work: it is not waited for."""
    for path, entry in running.items():
        if entry.request.timed and not entry.given_up:
            server.kill(path, signal.SIGKILL)
            entry.given_up = True


def _enforce_deadlines(server: ForkServer, running: dict[Path, _Running]) -> None:
    now = time.monotonic()
    for path, entry in running.items():
        if now >= entry.deadline:
            server.kill(path, signal.SIGKILL if entry.killed else signal.SIGTERM)
            entry.killed, entry.deadline = True, now + GRACE
