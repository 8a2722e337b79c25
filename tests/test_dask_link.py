"""The driver's end of a cluster, where something of it dies at the worst moment: what it then says, and what not."""

import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterable
from contextlib import closing, suppress
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

import pytest

from clusters import HOSTILE, Cluster
from harness.errors import HarnessError
from harness.executors import dask
from harness.executors.dask import Dask
from harness.executors.remote import link as link_module
from harness.executors.remote import reach
from harness.executors.remote.link import GONE, Answered, Broken, Came, Left, Link
from harness.executors.remote.needs import Needs
from harness.executors.remote.parcel import question
from harness.executors.remote.worker import SLOT
from harness.executors.stopping import Stopping
from harness.isolation.request import Request
from harness.locks import TIMING, TimingTurn
from harness.settings import LayerShape
from harness.trial import Subject, Trial

NEEDS = Needs(versions={}, files=(), tasks=(), device="cpu")


class Between:
    """Stands between a driver and its scheduler, and cuts what it can once the driver fetches an answer: a scheduler
    that was killed then, the end of whose one connection, by which it tells what happens, has not been read yet.
    """

    def __init__(self, address: str) -> None:
        host, port = address.rpartition("/")[2].split(":")
        self._beyond = (host, int(port))
        self._door = socket.create_server(("127.0.0.1", 0))
        self.address = "tcp://{}:{}".format(*self._door.getsockname())
        self._tells: tuple[socket.socket, ...] = ()
        self._ends: list[socket.socket] = [self._door]
        self._threads = [threading.Thread(target=self._let_in)]
        self._threads[0].start()

    def _let_in(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._door.accept()
                there = socket.create_connection(self._beyond)
                self._ends += here, there
                for pair in ((here, there), (there, here)):
                    self._threads.append(threading.Thread(target=self._pass, args=pair))
                    self._threads[-1].start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if b"register-client" in data:
                    self._tells = (one, other)
                if b"gather" in data:
                    _end(end for end in self._ends if end not in self._tells)
                other.sendall(data)
        _end([one, other])

    def close(self) -> None:
        _end(self._ends)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()


def _end(sockets: Iterable[socket.socket]) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    made.work("one", TMPDIR=str(made.folder))
    yield made
    assert not made.end()


def heard(link, kind):
    """The news up to the first of a kind."""
    found = []
    while not any(isinstance(news, kind) for news in found):
        assert wait([link.fileno()], 60), f"of {kind}, after {found}"
        found += link.heard()
    return found


def test_an_answer_that_cannot_be_fetched_since_the_scheduler_has_gone_is_no_lost_attempt(cluster, monkeypatch):
    monkeypatch.setattr(link_module, "CONNECT", 0.5)
    monkeypatch.setattr(link_module, "FAREWELL", 0.5)
    with closing(Between(cluster.address)) as between, closing(Link(between.address, NEEDS)) as link:
        (came,) = (news for news in heard(link, Came) if isinstance(news, Came))
        link.run = "a run that a worker does not know is answered at once"
        link.ask("key", {"trial": {"measure": "accuracy"}}, came.address, {SLOT: 1})
        assert not [news for news in heard(link, Broken) if isinstance(news, Answered)]


def test_a_worker_that_comes_back_to_its_address_unseen_is_another_one(cluster, monkeypatch):
    """It was asked before it died; Dask keeps the question for it, and nobody would ever answer."""
    monkeypatch.setattr(link_module, "LOOK", 3600.0)
    with closing(Link(cluster.address, NEEDS)) as link:
        (came,) = (news for news in heard(link, Came) if isinstance(news, Came))
        worker = cluster.processes.pop("one")
        worker.suspend()
        link.ask("key", {"trial": {"measure": "accuracy"}}, came.address, {SLOT: 1})
        worker.kill()
        worker.wait()
        cluster.work("one", "--worker-port", came.address.rpartition(":")[2], TMPDIR=str(cluster.folder))
        link._on_loop(link._look()).result()
        found = heard(link, Answered)
        assert found[:2] == [Left(came.address), Answered("key", reason=f"ConnectionError: {GONE}")]
        assert found[2:] or heard(link, Came)


def test_who_accepts_in_silence_is_no_scheduler(monkeypatch):
    monkeypatch.setattr(reach, "CONNECT", 0.2)
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        address = "tcp://{}:{}".format(*silent.getsockname())
        with pytest.raises(HarnessError, match=r"found none: what listens there did not answer within 0\.2 s"):
            Link(address, NEEDS)


def test_a_timing_that_nobody_waits_for_any_more_does_not_begin_when_its_turn_comes(cluster, monkeypatch):
    """As of a driver that was killed while something else on the worker's machine was timed."""
    monkeypatch.setattr(tempfile, "tempdir", str(cluster.folder))
    shape = LayerShape(batch=2, length=2, hidden=61, inputs=2)
    options = (("at", 61), ("how", "linger_once"))
    cell = Subject(name="hostile", version=1, options=options, changed=options)
    trial = Trial(measure="speed", cell=cell, backend="eager", versus="eager", shape=shape)
    request = Request(trial=trial, folder=cluster.folder, timeout=20)
    with closing(Link(cluster.address, replace(NEEDS, files=((HOSTILE.name, HOSTILE.read_text("utf-8")),)))) as link:
        (came,) = (news for news in heard(link, Came) if isinstance(news, Came))
        with TimingTurn() as ours:
            ours.wait()
            link.ask("unwanted", question(request), came.address, {SLOT: 1})
            waits = re.compile(rf"-> FLOCK .*:{(cluster.folder / TIMING).stat().st_ino} ")
            while not waits.search(Path("/proc/locks").read_text()):
                time.sleep(0.01)
            link.drop("unwanted")
            while link._client.run(lambda dask_worker: dask_worker.state.tasks["unwanted"].state) != {
                came.address: "cancelled"
            }:
                time.sleep(0.01)
        link.run = "a run that a worker does not know is answered at once, as soon as there is a slot"
        link.ask("next", {"trial": {"measure": "accuracy"}}, came.address, {SLOT: 1})
        while not any(isinstance(news, Answered) and news.key == "next" for news in heard(link, Answered)):
            pass
    assert not cluster.lingers.exists()


def test_a_worker_that_does_not_introduce_itself_keeps_no_run_from_beginning(cluster, monkeypatch):
    monkeypatch.setattr(dask, "PATIENCE", 1.0)
    monkeypatch.setattr(link_module, "LOOK", 0.1)
    monkeypatch.setattr(link_module, "FAREWELL", 0.5)
    cluster.work("two")
    cluster.processes["two"].suspend()
    with Stopping() as stopping, Dask(cluster.address, NEEDS) as executor:
        told = [event.sentence for event in executor.ready(stopping)]
        cluster.processes["two"].kill()
        cluster.processes.pop("two").wait()
    assert told[-2:] == ["1 of 2 workers have not introduced themselves yet", "1 worker, 1 trial at once"]
