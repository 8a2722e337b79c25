"""All cores of this machine: a fork server, so many slots, one deadline a trial."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from harness import machine
from harness.executors.stopping import Stopping
from harness.isolation.client import Ended, ForkServer, environment
from harness.isolation.limits import kernel_kills, share_of_memory
from harness.isolation.outcome import Outcome, conclude
from harness.isolation.request import Request
from harness.locks import TimingTurn
from harness.scratch import scratch

GRACE = 3.0
"""Seconds between the request to end and the end."""
UNHEARD = 30.0
"""Seconds after which a server is ended that does not tell of a trial's end."""


@dataclass(frozen=True, slots=True)
class Started:
    """A trial has begun."""

    request: Request


@dataclass(frozen=True, slots=True)
class Waiting:
    """A trial that is timed waits until nothing else on this machine is."""

    request: Request


class Local:
    """The cores of this machine, or `jobs` of them: an executor (see `executor.Executor`) on one fork server."""

    def __init__(self, device: str, jobs: int | None = None) -> None:
        self._slots = jobs or machine.allowed_cores()
        facts = machine.facts(device)
        self.machines = {machine.fingerprint(facts): facts}
        self._server: ForkServer | None = None

    def __enter__(self) -> "Local":
        with ExitStack() as stack:
            self.folder = stack.enter_context(scratch())
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def ready(self, stopping: Stopping) -> Iterator[Any]:
        """At once."""
        return iter(())

    def execute(
        self, requests: Iterable[Request], stopping: Stopping, *, alone: bool
    ) -> Iterator[Started | Waiting | Outcome]:
        """As `execute` below. What each may hold is reckoned when they begin: nine tenths of what is free, shared."""
        slots = 1 if alone else self._slots
        share = share_of_memory(slots)
        limited = (request if request.memory else replace(request, memory=share) for request in requests)
        if self._server is None:
            self._server = self._opened.enter_context(ForkServer(environment(threads=1)))
        return execute(self._server, limited, slots=slots, stopping=stopping)


def execute(
    server: ForkServer, requests: Iterable[Request], *, slots: int, stopping: Stopping
) -> Iterator[Started | Waiting | Outcome]:
    """Runs requests on a fork server, `slots` at a time; yields what begins and what ends.

    Requests are taken as slots become free, once the server is ready: no clock runs while it imports. Between events it
    sleeps in one `select`, or, for a trial that is timed, until it is this process's turn. Once `stopping` drains,
    nothing new begins and what is timed is given up, unreported; once it aborts, it returns and nothing more is
    reported: what runs ends with the server.
    """
    waiting = iter(requests)
    with closing(Children(server)) as children:
        while True:
            room = server.ready and not stopping.draining
            while room and len(children) < slots and (request := next(waiting, None)):
                yield from _begin(children, request, stopping)
                room = not stopping.draining
            if not children and (server.ready or stopping.draining):
                return
            ready = wait([children.fileno(), stopping.fileno()], children.patience())
            if stopping.fileno() in ready:
                stopping.acknowledge()
            if stopping.aborting:
                return
            if stopping.draining:
                children.give_up(lambda request: request.timed)
            if children.fileno() in ready:
                yield from children.ended()
            children.enforce_deadlines()


def _begin(children: "Children", request: Request, stopping: Stopping) -> Iterator[Started | Waiting]:
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
        children.begin(request, turn.pop_all(), waited)
    yield Started(request)


@dataclass(slots=True)
class _Running:
    """`turn`: what ends with the trial. `waited`: seconds before it began. `kills`: the kernel's until then."""

    request: Request
    turn: ExitStack
    waited: float
    kills: int
    began: float
    deadline: float
    killed: int = 0
    given_up: bool = False


class Children:
    """What runs on a fork server: each begins, has its deadline, and ends as an outcome. `close` ends their turns."""

    def __init__(self, server: ForkServer) -> None:
        self._server = server
        self._running: dict[Path, _Running] = {}

    def __len__(self) -> int:
        return len(self._running)

    def fileno(self) -> int:
        """For `select`: readable when something has ended. Another one after the server was replaced."""
        return self._server.fileno()

    @property
    def ready(self) -> bool:
        """Whether a trial may begin: its clock does not run while the server imports."""
        return self._server.ready

    def patience(self) -> float | None:
        """Seconds until the next deadline; None where nothing runs."""
        deadlines = [entry.deadline for entry in self._running.values()]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def begin(self, request: Request, turn: ExitStack, waited: float = 0.0) -> None:
        """Starts a trial, and its clock; `turn` is closed when it has ended."""
        path, now = request.write(), time.monotonic()
        self._running[path] = _Running(request, turn, waited, kernel_kills(), now, now + request.timeout)
        self._server.run(path)

    def ended(self) -> Iterator[Outcome]:
        """What has ended since, but for what was given up; blocks until there is something to hear."""
        for child in self._server.ended():
            entry = self._running.pop(child.request)
            entry.turn.close()
            if not entry.given_up:
                yield _conclude(entry, child)

    def give_up(self, unwanted: Callable[[Request], bool]) -> None:
        """Kills what is not wanted; nobody hears of it. Half a timing is nothing, a whole one seconds of work."""
        self.kill(unwanted)
        for entry in self._running.values():
            entry.given_up |= unwanted(entry.request)

    def kill(self, unwanted: Callable[[Request], bool]) -> None:
        """Kills what is not wanted; it ends as killed from outside."""
        for path, entry in self._running.items():
            if unwanted(entry.request):
                self._server.kill(path, signal.SIGKILL)

    def enforce_deadlines(self) -> None:
        """Asks what is late to end; later ends it; and where nothing is heard of that, ends the server itself."""
        now = time.monotonic()
        for path, entry in self._running.items():
            if now < entry.deadline:
                continue
            if entry.killed > 1:
                self._server.end()
                return
            self._server.kill(path, signal.SIGKILL if entry.killed else signal.SIGTERM)
            entry.deadline = now + (UNHEARD if entry.killed else GRACE)
            entry.killed += 1

    def close(self) -> None:
        """Ends the turns of what still runs; the trials end with their server."""
        for entry in self._running.values():
            entry.turn.close()


def _conclude(entry: _Running, child: Ended) -> Outcome:
    return conclude(
        entry.request,
        child,
        time.monotonic() - entry.began,
        killed=entry.killed > 0,
        starved=kernel_kills() > entry.kills,
        waited=entry.waited,
    )
