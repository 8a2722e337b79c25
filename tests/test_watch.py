"""The live table of a run, and what stands in its place where there is no terminal for it."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from harness.cli.watching import Watch
from harness.events import Opened, Recorded
from harness.executors.local import Started
from harness.executors.stopping import Stopping
from harness.isolation.request import Request
from harness.record import Status
from recorded import ADDING, adding_record, record, training_trial
from terminal import on_terminal


@pytest.fixture
def watch(tmp_path):
    """A watch on a console of that kind, that has seen two of three trials of a cell and the start of another's."""

    def watched(encoding="utf-8", **console):
        trials = [
            training_trial(ADDING, cell, seed) for cell, seed in (("lstm", 0), ("lstm", 1), ("lstm", 2), ("gru", 0))
        ]
        written = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="replace")
        shown = Watch(Stopping(), Console(file=written, color_system=None, **console))
        with shown:
            shown.show(Opened(folder=tmp_path, answered=5, missing=4, repaired=0, trials=tuple(trials)))
            shown.show(Recorded(record=adding_record(trials[0], 500)[0]))
            failed = record(trials[1], {}, status=Status.TIMEOUT, reason="after 3 s\nand more")
            shown.show(Recorded(record=replace(failed, seconds=3.0)))
            shown.show(
                Started(Request(trial=trials[3], folder=tmp_path, plugin_files=(), timeout=1.0, memory=1, spawn=False))
            )
        written.seek(0)
        return written.read()

    return watched


def rows(printed):
    """The rows of the table as it was drawn last."""
    last = printed.rpartition("amiss")[2]
    return [line.split() for line in last.splitlines() if line.split()[:1] in (["lstm"], ["gru"])]


def test_the_table_says_what_runs_what_is_done_and_who_solved_how_much(watch):
    printed = watch(width=80, force_terminal=True)
    assert rows(printed) == [["lstm", "2/3", "1/1", "1"], ["gru", "0/1", "accuracy", "seed", "0"]]
    assert "2 of 4 trials" in printed
    assert "5 answered already, 4 to run" in printed


@pytest.mark.parametrize(
    "console",
    [{"width": 80}, {"width": 40, "force_terminal": True}, {"width": 80, "force_terminal": True, "encoding": "ascii"}],
    ids=["pipe", "narrow", "ascii"],
)
def test_without_a_wide_unicode_terminal_it_prints_a_line_a_record(watch, console):
    printed = " ".join(watch(**console).split())
    assert "amiss" not in printed
    assert "[1/4] accuracy" in printed
    assert "adding[length=40]" in printed
    assert "seed 0: ok, solved after 500 steps" in printed
    assert "timeout (3.0 s): after 3 s" in printed
    assert "and more" not in printed


def test_a_watched_run_ends_as_any_other(grid, tmp_path):
    wanted = ("run", "--watch", "--grid", "small.toml", "--seeds", "1", "--cells", "rnn", "--json")
    code, lines = on_terminal(*wanted, columns=80, folder=tmp_path)
    assert code == 0, lines
    assert "amiss" in "".join(lines)
