"""Manners on every terminal: narrow, without colour, without Unicode, or none at all."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from harness.cli import signs
from harness.report.terminal import print_report
from recorded import ADDING, adding_record, printed, quick_answers, training_trial
from terminal import PLAIN, on_terminal

VERBS = [
    ("list",),
    ("plan", "--grid", "demo"),
    ("compare", "gru", "rnn", "--measures", "accuracy"),
    ("results", "verify"),
    ("run", "--cells", "lstn"),
    ("show", "0123"),
]
ESCAPES, COLOUR = r"\x1b\[[\d;?]*[A-Za-z]", r"\x1b\[[\d;]*[349]\dm"


@pytest.fixture
def recorded(write, tmp_path) -> Path:
    """A folder with a small recorded run."""
    courses = {"gru": 300, "rnn": None}
    write([adding_record(training_trial(ADDING, cell, seed), at) for cell, at in courses.items() for seed in range(6)])
    return tmp_path


def seen(lines):
    """What stays on the screen: without what a later sign of the same line has overwritten."""
    return [re.sub(ESCAPES, "", line).rpartition("\r")[2].rstrip() for line in lines]


def too_wide(lines, columns):
    """Lines that should have been folded: those with a word as long as a path are left to the terminal."""
    return [line for line in lines if len(line) > columns and max(map(len, line.split())) < 30]


@pytest.mark.parametrize("arguments", VERBS, ids=" ".join)
def test_on_forty_columns_lines_are_folded_and_have_no_colour_if_none_is_wanted(recorded, arguments):
    code, lines = on_terminal(*arguments, columns=40, folder=recorded, NO_COLOR="1")
    assert code in (0, 2), lines
    assert any(seen(lines))
    assert not too_wide(seen(lines), 40)
    assert not re.search(COLOUR, "\n".join(lines))


@pytest.mark.parametrize("arguments", VERBS, ids=" ".join)
def test_a_terminal_that_knows_ascii_alone_can_read_everything(recorded, arguments):
    code, lines = on_terminal(*arguments, columns=80, folder=recorded, **PLAIN)
    text = "\n".join(seen(lines))
    assert code in (0, 2), lines
    assert "Traceback" not in text
    assert text.isascii()
    assert "?" not in text.replace("0/?", "").replace("'lstm'?", "")


@pytest.mark.parametrize("columns", [40, 60])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_report_fits_a_narrow_terminal_whatever_its_encoding(write, columns, encoding):
    signs.register()
    written = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=signs.NAME)
    print_report(write(quick_answers()), Console(width=columns, file=written, color_system=None), full=True)
    written.seek(0)
    lines = written.read().splitlines()
    assert len(lines) > 100
    assert not [line for line in lines if len(line.rstrip()) > columns]


def test_no_name_is_cut_where_columns_have_no_room_beside_each_other(write):
    run = write(quick_answers())
    narrow, wide = (printed(run, columns) for columns in (40, 200))
    assert narrow.count("gru_reset_before") == wide.count("gru_reset_before") > 10


def test_a_pipe_gets_whole_lines(command):
    done = command("list", "backends", COLUMNS="40")
    assert any(len(line) > 60 for line in done.stdout.splitlines())
