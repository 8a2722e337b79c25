"""Folders that are needed only while a command runs: gone afterwards, swept where their owner was killed."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from harness.errors import HarnessError
from harness.isolation.request import REQUEST, Request
from harness.locks import TIMING, TimingTurn
from harness.scratch import OWNER, scratch
from harness.trial import Subject, Trial

KILLED = """
import os, signal
from harness.scratch import scratch
with scratch() as folder:
    (folder / "arrays").mkdir()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_gone_after_an_error(place):
    with pytest.raises(FileNotFoundError), scratch() as folder:
        (folder / "absent").read_text()
    assert not list(place.iterdir())


def test_what_a_killed_owner_left_is_swept_and_what_a_living_one_uses_is_not(place):
    killed = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, "TMPDIR": str(place)})
    assert killed.returncode == -signal.SIGKILL
    (left,) = place.iterdir()
    assert {path.name for path in left.iterdir()} == {OWNER, "arrays"}
    unmarked = place / "harness-unmarked"
    unmarked.mkdir()
    with scratch() as mine:
        assert not left.exists()
        with scratch():
            assert mine.exists()
    assert list(place.iterdir()) == [unmarked], "a folder without an owner's mark is nobody's business"


def test_the_turn_to_time_is_everybodys_whatever_the_first_ones_mask(place):
    mask = os.umask(0o077)
    try:
        with TimingTurn():
            pass
    finally:
        os.umask(mask)
    assert (place / TIMING).stat().st_mode & 0o777 == 0o644


def test_no_room_for_a_question_is_said_in_words(place):
    trial = Trial(measure="memory", cell=Subject(name="rnn", version=1), backend="torch")
    full = Request(trial=trial, folder=place, timeout=1)
    (place / REQUEST).mkdir()
    with pytest.raises(HarnessError, match="cannot write a trial's question to") as raised:
        full.write()
    assert "TMPDIR" in raised.value.hint
