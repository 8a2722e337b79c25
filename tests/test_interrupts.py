"""Timings wait for their turn before their clock starts, and one Ctrl-C is enough to end them."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from harness import plugins
from harness.executors.local import Started, Waiting, execute
from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer, environment
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request
from harness.locks import WAITING, TimingTurn
from harness.record import Status
from harness.settings import LayerShape, TimingSettings
from harness.spelling import parse
from harness.trial import Subject, Trial

TOYS = Path(__file__).parent / "plugins" / "toys.py"
ENDLESS = TimingSettings(pairs=10_000, most_pairs=10_000, budget=1e6)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A machine of its own, as far as the turn to time goes."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def server():
    with ForkServer(environment(1)) as server:
        yield server


def request(folder: Path, backend: str, timing: TimingSettings | None = None) -> Request:
    trial = Trial(
        measure="speed",
        cell=Subject.of(plugins.load([TOYS]).cell(parse("rnn"))),
        backend=backend,
        versus=backend,
        shape=LayerShape(batch=2, length=3, hidden=4, inputs=2),
        timing=timing,
    )
    return Request(trial=trial, folder=folder / trial.id, plugin_files=(TOYS,), timeout=60.0)


def test_a_timings_clock_starts_with_its_turn_and_the_wait_is_told_apart(place, server):
    asked, held = request(place, "fail"), TimingTurn()
    with Stopping() as stopping:
        events = execute(server, [asked], slots=1, stopping=stopping)
        assert next(events) == Waiting(asked)
        assert not asked.folder.exists(), "nothing has begun"
        began = time.monotonic()
        threading.Timer(0.2, held.__exit__).start()
        assert next(events) == Started(asked)
        waited = time.monotonic() - began
        (outcome,) = events
    assert isinstance(outcome, Outcome)
    assert outcome.result.status == Status.ERROR
    assert 0.1 < outcome.waited <= waited
    with TimingTurn() as turn:
        assert turn.held, "the turn has been given away"


@pytest.mark.parametrize("when", [Waiting, Started])
def test_one_interrupt_gives_up_a_timing_that_waits_or_runs(place, server, when):
    asked, held = request(place, "nothing", ENDLESS), TimingTurn()
    seen = []
    with Stopping() as stopping:
        for event in execute(server, [asked], slots=1, stopping=stopping):
            seen.append(type(event))
            if type(event) is when:
                os.kill(os.getpid(), signal.SIGINT)
            if type(event) is Waiting and when is not Waiting:
                held.__exit__()
    assert seen == [Waiting, Started][: 1 + (when is Started)]
    assert not stopping.aborting
    if when is Waiting:
        held.__exit__()
    with TimingTurn() as turn:
        assert turn.held
    (forker,) = psutil.Process().children()
    assert not psutil.wait_procs(forker.children(recursive=True), timeout=20)[1]


def test_one_interrupt_ends_a_comparison_with_what_is_decided_and_nothing_is_left(place):
    shapes = ("--shape", "B2,T3,H4,I2", "--shape", "B2,T3,H5,I2")
    arguments = ("compare", "rnn@nothing", "rnn@nothing", "--plugin", str(TOYS), *shapes, "--pairs", "6")
    held = TimingTurn()
    comparison = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--budget", "1", "--measures", "speed"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(place), "PYTHONUNBUFFERED": "1"},
    )
    assert comparison.stdout is not None
    with comparison.stdout as told:
        assert told.readline() == f"{WAITING}\n"
        held.__exit__()
        claim = told.readline()
        family = psutil.Process(comparison.pid).children(recursive=True)
        comparison.send_signal(signal.SIGINT)
        rest = told.readlines()
    assert comparison.wait() == 130
    assert "B2 T3 H4 I2" in claim
    assert not [line for line in rest if "B2 T3 H5 I2" in line or "Traceback" in line or WAITING in line]
    assert not psutil.wait_procs(family, timeout=20)[1]
    assert [path.name for path in place.glob("harness-*")] == ["harness-timing.lock"]
