"""The driver's end of a cluster, on Dask's own thread: asks workers, hears answers, and who comes and goes.

Every task is bound to one worker, and tried by Dask once: what is lost with a worker is told, and whether and where it
is asked again is the run's decision. Dask is never given more tasks than there are slots.
"""

import asyncio
import re
import secrets
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from distributed.security import Security

from harness.errors import in_a_line
from harness.executors.remote import worker
from harness.executors.remote.mailbox import Mailbox
from harness.executors.remote.needs import Needs
from harness.executors.remote.parcel import pack, unpack
from harness.executors.remote.reach import CONNECT, client_of

LOOK, FAREWELL = 1.0, 10.0
"""Seconds: between two looks at who is there; for workers to end what is left."""
GONE = "its worker has gone"
ADDRESS = re.compile(r"\w+://[^\s'\"<>,;]+")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Came:
    """A worker has introduced itself; `told`: its answer to the greeting, with "failed" where it cannot work."""

    address: str
    told: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Left:
    """A worker is not there any more."""

    address: str


@dataclass(frozen=True, slots=True)
class Looked:
    """So many workers are there, and so many of them are still being greeted."""

    present: int
    greeting: int


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back for a key: a parcel, or why there is none."""

    key: str
    parcel: bytes = b""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Broken:
    """There is no scheduler any more."""


News = Came | Left | Looked | Answered | Broken


@dataclass(frozen=True, slots=True, eq=False)
class _Present:
    """A worker that is there: its own folder, as Dask made it, and what is set when it is not there any more."""

    folder: str
    gone: asyncio.Event


class _Alone(Exception):
    """Nobody is left to ask."""


class Link:
    """A connection to a scheduler. Raises HarnessError where none is made. `close` ends what runs for this run."""

    def __init__(self, address: str, needs: Needs, security: Security | None = None) -> None:
        self._client: Any = client_of(address, security)
        self.run = secrets.token_hex(8)
        self._greeting = pack({"run": self.run, "files": needs.files, "tasks": needs.tasks, "device": needs.device})
        self._news: Mailbox[News] = Mailbox()
        self._present: dict[str, _Present] = {}
        self._greeted: set[str] = set()
        self._futures: dict[str, Any] = {}
        self._watch = self._on_loop(self._watching())

    def fileno(self) -> int:
        """For `select`: readable when there is news."""
        return self._news.fileno()

    def heard(self) -> list[News]:
        """The news since."""
        return self._news.take()

    def ask(self, key: str, question: Mapping[str, Any], address: str, resources: Mapping[str, int]) -> None:
        """Asks a worker a trial; `Answered` comes for the key, whatever happens."""
        parcel = pack({"run": self.run, "key": key, "question": question})
        asking = self._on_loop(self._asking(key, parcel, address, dict(resources)))
        asking.add_done_callback(lambda done: self._asked(key, done))

    def greet(self, address: str) -> None:
        """Greets a worker again that does not know this run any more; `Came` comes."""
        self._on_loop(self._greet(address))

    def drop(self, key: str) -> None:
        """Gives a question up: its trial is ended."""
        self._on_loop(self._dropping([key]))

    def close(self) -> None:
        """Takes leave of every worker, and of the scheduler."""
        self._watch.cancel()
        with suppress(TimeoutError):
            self._on_loop(self._leaving()).exception(FAREWELL)
        with suppress(TimeoutError):
            self._client.close(timeout=FAREWELL)
        self._news.close()

    def _on_loop(self, work: "Coroutine[Any, Any, T]") -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._client.loop.asyncio_loop)

    def _asked(self, key: str, done: "Future[bytes]") -> None:
        error = None if done.cancelled() else done.exception()
        if self._client.status != "running" or isinstance(error, _Alone):
            self._news.put(Broken())
        elif done.cancelled():
            self._news.put(Answered(key, reason="it was cancelled on the cluster"))
        elif error:
            self._news.put(Answered(key, reason=_reason(error)))
        else:
            self._news.put(Answered(key, done.result()))

    async def _asking(self, key: str, parcel: bytes, address: str, resources: dict[str, int]) -> bytes:
        """The answer to a question. Raises what `_submitted` raises, or _Alone where the scheduler has gone as well: a
        question is lost with its worker only where somebody is left to say so.
        """
        try:
            return await self._submitted(key, parcel, address, resources)
        except (Exception, asyncio.CancelledError):
            try:
                await asyncio.wait_for(self._client.nthreads(), CONNECT)
            except OSError:  # a TimeoutError is one
                raise _Alone from None
            raise

    async def _submitted(self, key: str, parcel: bytes, address: str, resources: dict[str, int]) -> bytes:
        """The answer to a question. Raises whatever the cluster raises, ConnectionError where the worker has gone."""
        present = self._present.get(address)
        if present is None:
            raise ConnectionError(GONE)
        options = {"key": key, "workers": [address], "resources": resources, "pure": False, "retries": 0}
        future = self._futures[key] = self._client.submit(worker.answer, parcel, **options)
        answer, end = asyncio.ensure_future(_result(future)), asyncio.ensure_future(present.gone.wait())
        try:
            await asyncio.wait([answer, end], return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            await self._dropping([key])
            raise ConnectionError(GONE)
        finally:
            answer.cancel()
            end.cancel()
            self._futures.pop(key, None)

    async def _dropping(self, keys: Iterable[str]) -> None:
        await self._client.cancel([self._futures[key] for key in keys if key in self._futures], force=True)

    async def _watching(self) -> None:
        told = None
        while self._client.status == "running":
            try:
                await self._look()
            except OSError:
                break
            looked = Looked(len(self._present), len(self._present) - len(self._greeted))
            if looked != told:
                self._news.put(told := looked)
            await asyncio.sleep(LOOK)
        self._news.put(Broken())

    async def _look(self) -> None:
        """Who is there? One that came back between two looks, to the address it had, is known by its folder: it is
        another one, and does not know what it was asked before.
        """
        found = await asyncio.wait_for(self._client.scheduler.identity(), CONNECT)
        present = {address: worker.get("local_directory", "") for address, worker in found["workers"].items()}
        for address in [address for address, one in self._present.items() if one.folder != present.get(address)]:
            self._present.pop(address).gone.set()
            self._greeted.discard(address)
            self._news.put(Left(address))
        for address in present.keys() - self._present.keys():
            self._present[address] = _Present(present[address], asyncio.Event())
            self._on_loop(self._greet(address))

    async def _greet(self, address: str) -> None:
        greeted = self._present.get(address)
        with suppress(OSError):  # without a scheduler: the watch says so
            told = await self._client.run(worker.greet, self._greeting, workers=[address], on_error="return")
            if greeted and self._present.get(address) is greeted:
                self._greeted.add(address)
                self._news.put(Came(address, _introduction(told.get(address))))

    async def _leaving(self) -> None:
        if self._client.status == "running":
            await self._dropping(list(self._futures))
            parcel = pack({"run": self.run})
            await self._client.run(worker.part, parcel, workers=list(self._greeted), on_error="ignore")


def _reason(error: BaseException) -> str:
    """What is recorded of an error: its kind and its first line, without addresses, which name somebody's machines."""
    return ADDRESS.sub("an address", in_a_line(error))


async def _result(future: Any) -> bytes:
    found: bytes = await future
    return found


def _introduction(told: Any) -> Mapping[str, Any]:
    """What a worker says of itself; what it raised instead says why it cannot work."""
    if not isinstance(told, bytes):
        return {"failed": f"{type(told).__name__}: {told}"}
    try:
        return unpack(told)[0]
    except ValueError as error:
        return {"failed": f"its introduction was damaged: {error}"}
