"""All cores of this machine: a fork server, so many slots, one deadline a trial."""

import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

from harness.executors.stopping import Stopping
from harness.isolation.client import Ended, ForkServer
from harness.isolation.limits import kernel_kills
from harness.isolation.outcome import Outcome, conclude
from harness.isolation.request import Request
from harness.locks import TimingTurn

GRACE = 3.0
"""Seconds between the request to end and the end."""


@dataclass(slots=True)
class _Running:
    """`turn`: what ends with the trial. `waited`: seconds before it began. `kills`: the kernel's until then."""

    request: Request
    turn: ExitStack
    waited: float
    kills: int
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

    Requests are taken as slots become free. Between events it sleeps in one `select`, or, for a trial that is timed,
    until it is this process's turn. Once `stopping` drains, nothing new begins and what is timed is given up,
    unreported; once it aborts, it returns and nothing more is reported: what runs ends with the server.
    """
    waiting, running = iter(requests), dict[Path, _Running]()
    with ExitStack() as leaving:
        leaving.callback(_end_turns, running)
        while True:
            while len(running) < slots and not stopping.draining and (request := next(waiting, None)):
                yield from _begin(server, request, running, stopping)
            if not running:
                return
            next_deadline = min(entry.deadline for entry in running.values())
            ready = wait([server.fileno(), stopping.fileno()], max(0.0, next_deadline - time.monotonic()))
            if stopping.fileno() in ready:
                stopping.acknowledge()
            if stopping.aborting:
                return
            if stopping.draining:
                _give_up_timings(server, running)
            if server.fileno() in ready:
                for child in server.ended():
                    entry = running.pop(child.request)
                    entry.turn.close()
                    if not entry.given_up:
                        yield _conclude(entry, child)
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
        running[path] = _Running(request, turn.pop_all(), waited, kernel_kills(), now, now + request.timeout)
    server.run(path)
    yield Started(request)


def _conclude(entry: _Running, child: Ended) -> Outcome:
    return conclude(
        entry.request,
        child,
        time.monotonic() - entry.began,
        killed=entry.killed,
        starved=kernel_kills() > entry.kills,
        waited=entry.waited,
    )


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
