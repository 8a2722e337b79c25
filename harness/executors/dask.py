"""A Dask cluster: any number of machines. The driver alone decides who is asked what, and alone records."""

import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import machine
from harness.errors import HarnessError, Lost
from harness.executors.executor import Happening, Told
from harness.executors.local import Started
from harness.executors.remote.address import require_dask, scheduler_address, warning
from harness.executors.remote.needs import Needs, differences
from harness.executors.remote.parcel import outcome_of, question, unpack
from harness.executors.remote.places import Place, Places
from harness.executors.stopping import Stopping
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request, Result
from harness.record import Status
from harness.scratch import scratch

if TYPE_CHECKING:
    from harness.executors.remote.link import Answered, News

MOST_FAILURES = 3
"""So often in a row may a worker be unable to run a trial at all (a full disk), before nobody asks it any more."""
PATIENCE = 30.0
"""Seconds without news after which a run begins without workers that have not introduced themselves."""


@dataclass(frozen=True, slots=True)
class _Running:
    request: Request
    place: Place
    taken: Mapping[str, int]
    began: float


class Dask:
    """An executor (see `executor.Executor`) on the workers of a scheduler; None: of a cluster of its own, here.

    `jobs`: the most trials at once. Raises HarnessError where Dask is not installed or no scheduler is found.
    """

    def __init__(self, scheduler: str | None, needs: Needs, jobs: int | None = None) -> None:
        require_dask()
        self._scheduler = scheduler_address(scheduler) if scheduler is not None else ""
        self._needs, self._jobs = needs, jobs
        self._places = Places()
        self._refused: dict[str, str] = {}
        self._present = self._greeting = 0
        self._running: dict[str, _Running] = {}
        self._numbers = itertools.count(1)

    @property
    def machines(self) -> Mapping[str, Mapping[str, Any]]:
        """See `Executor`."""
        return self._places.machines

    def __enter__(self) -> "Dask":
        from harness.executors.remote.cluster import OwnCluster
        from harness.executors.remote.link import Link

        with ExitStack() as stack:
            self.folder: Path = stack.enter_context(scratch())
            security, address = None, self._scheduler
            if not address:
                slots = self._jobs or machine.allowed_cores()
                own = stack.enter_context(OwnCluster(slots, self.folder / "cluster.log"))
                security, address = own.security, own.address
            self._link = Link(address, self._needs, security)
            stack.callback(self._link.close)
            self._opened = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def ready(self, stopping: Stopping) -> Iterator[Told]:
        """Waits until whoever is there has introduced itself, and for one who is fit. Raises HarnessError for none."""
        if self._scheduler and (unsafe := warning(self._scheduler)):
            yield Told(unsafe)
        with stopping.at_once():
            while not (self._present and not self._greeting and self._places):
                if not wait([self._link.fileno()], PATIENCE) and self._greeting:
                    yield Told(f"{self._greeting} of {self._present} workers have not introduced themselves yet")
                    if self._places:
                        break
                for news in self._link.heard():
                    yield from (event for event in self._hear(news) if isinstance(event, Told))
                if not self._present:
                    yield Told(f"waiting for a first worker of {self._scheduler}")
                elif not self._greeting and not self._places:
                    raise HarnessError(self._nobody())
        for unlike in self._places.choose_machine():
            yield self._refuse(unlike.address, self._places.unlike(unlike))
        workers, slots = len(self._places), self._places.slots
        yield Told(f"{workers} worker{'s' * (workers != 1)}, {slots} trial{'s' * (slots != 1)} at once")

    def execute(self, requests: Iterable[Request], stopping: Stopping, *, alone: bool) -> Iterator[Happening]:
        """See `Executor`. A trial whose worker is lost ends as the machine's fault, to be asked again."""
        waiting = iter(requests)
        head: Request | None = None
        while True:
            while not stopping.draining and len(self._running) < (self._jobs or self._places.slots or 1):
                head = head or next(waiting, None)
                place = self._places.for_trial(head.trial, alone=alone) if head else None
                if head is None or place is None:
                    break
                self._begin(head, place, alone=alone)
                yield Started(head)
                head = None
            if not self._running and (head is None or stopping.draining):
                return
            ready = wait([self._link.fileno(), stopping.fileno()])
            if stopping.fileno() in ready:
                stopping.acknowledge()
            if stopping.aborting:
                return
            if stopping.draining:
                self._give_up_timings()
            for news in self._link.heard():
                yield from self._hear(news)

    def _begin(self, request: Request, place: Place, *, alone: bool) -> None:
        from harness.executors.remote.worker import GPU, SLOT

        key = f"harness-{self._link.run}-{request.trial.id}-{next(self._numbers)}"
        taken = place.take(request.trial, alone=alone)
        self._running[key] = _Running(request, place, taken, time.monotonic())
        resources = {SLOT: taken["slots"]} | ({GPU: taken["gpus"]} if taken["gpus"] else {})
        self._link.ask(key, question(request), place.address, resources)

    def _give_up_timings(self) -> None:
        """Half a timing is nothing, a whole one seconds of work: it is not waited for."""
        for key in [key for key, entry in self._running.items() if entry.request.timed]:
            self._link.drop(key)
            entry = self._running.pop(key)
            entry.place.give_back(entry.taken)

    def _hear(self, news: "News") -> Iterator[Told | Outcome]:
        from harness.executors.remote.link import Broken, Came, Left, Looked

        if isinstance(news, Broken):
            where = self._scheduler or "the cluster on this machine"
            hint = "what was recorded is kept: start it again and run the same command"
            raise Lost(f"the scheduler is gone: {where} does not answer any more", hint=hint)
        if isinstance(news, Looked):
            self._present, self._greeting = news.present, news.greeting
        elif isinstance(news, Came):
            yield from self._admit(news.address, news.told)
        elif isinstance(news, Left):
            yield from self._forget(news.address)
        elif entry := self._running.pop(news.key, None):
            entry.place.give_back(entry.taken)
            yield from self._conclude(entry, news)

    def _admit(self, address: str, told: Mapping[str, Any]) -> Iterator[Told]:
        """Takes a worker in that has all the run needs; another one is refused, and told why."""
        if "failed" in told:
            yield self._refuse(address, [told["failed"]])
            return
        place = Place.of(address, told)
        without = ["it has no CUDA device"] if self._needs.device != "cpu" and not place.gpus else []
        if differing := [*without, *differences(self._needs.versions, told["versions"]), *self._places.unlike(place)]:
            yield self._refuse(address, differing)
            return
        self._places.admit(place)
        if self._places.machines:
            yield Told(f"worker {address} has joined")

    def _refuse(self, address: str, why: list[str]) -> Told:
        self._places.by_address.pop(address, None)
        self._refused[address] = "; ".join(why)
        return Told(f"worker {address} is refused: {self._refused[address]}")

    def _forget(self, address: str) -> Iterator[Told]:
        self._refused.pop(address, None)
        if self._places.by_address.pop(address, None):
            yield Told(f"worker {address} has gone{self._places.lacking()}")

    def _conclude(self, entry: _Running, answered: "Answered") -> Iterator[Told | Outcome]:
        """The outcome of a trial that came back, or did not."""
        place, attached = entry.place, b""
        plain: dict[str, Any] = {"failed": answered.reason}
        try:
            if answered.parcel:
                plain, attached = unpack(answered.parcel)
            if "outcome" in plain:
                place.failures = 0
                yield replace(outcome_of(plain["outcome"], attached, entry.request), machine=place.machine)
                return
            reason = str(plain["failed"])
        except (ValueError, KeyError) as error:
            reason, plain = f"its answer was damaged on the way: {error}", {}
        place.failures += 1
        if plain.get("stranger"):  # so say all trials it had: it is greeted once
            if self._places.by_address.get(place.address) is place:
                del self._places.by_address[place.address]
                self._link.greet(place.address)
        elif place.failures == MOST_FAILURES and place.address in self._places.by_address:
            told = self._refuse(place.address, [f"{MOST_FAILURES} trials in a row could not be run: {reason}"])
            yield Told(told.sentence + self._places.lacking())
        yield Outcome(
            request=entry.request,
            result=Result(status=Status.NO_RESULT, reason=f"there is no answer: {reason}", values={}),
            output="",
            seconds=time.monotonic() - entry.began,
            arrays=None,
            disturbed=True,
            machine=place.machine,
        )

    def _nobody(self) -> str:
        refused = ", and ".join(f"{address}: {why}" for address, why in self._refused.items())
        return f"wanted a worker that is fit for this run, found none. Refused: {refused}"
