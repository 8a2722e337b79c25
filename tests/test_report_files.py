"""The report's files, tables and frame hold whatever the records hold."""

import json
import math
import subprocess
import sys

import pandas as pd
import pytest

from harness import load
from harness.errors import HarnessError
from harness.report.frame import load_frame
from harness.report.layout import shown_tables
from harness.report.tables import all_tables
from harness.report.wording import duration, listing, number, size, spread
from harness.report.writing import write_report
from recorded import COPY, odd_answers, only_failures, printed, quick_answers, speed_trial, told, training_trial


@pytest.mark.parametrize("make", [quick_answers, odd_answers, only_failures])
def test_every_file_is_written_whatever_the_figures_are(write, make, tmp_path):
    run = write(make(), unanswered=[speed_trial("rnn", "lost"), training_trial(COPY, "rnn", 0)])
    written = write_report(run, tmp_path / "out")
    assert all(path.stat().st_size > 0 for path in written)
    assert {path.name for path in written} >= {"overview.png", "report.md", "findings.txt", "accuracy.csv", "speed.png"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written if path.suffix == ".png")
    for table in all_tables(run).values():
        json.loads(table.to_json(orient="records"))
    assert printed(run)


def test_a_run_without_any_record_is_reported_as_such(write, tmp_path):
    run = write([], unanswered=[answer.trial for answer, _ in quick_answers()])
    assert "0 of 96 planned trials have a result; 96 not run." in told(run)
    assert "solved it" not in told(run)
    assert write_report(run, tmp_path / "out")
    assert "96 of 96 trials" in printed(run)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_terminal_tables_fit_the_width_and_lose_no_column_by_cutting(write, width):
    text = printed(write(quick_answers()), width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "\nlstm[forget_bias=1]  " in text  # a name in brackets is no markup
    assert "…" not in text
    for header, end in (("solved", "torch"), ("versus", "torch")):
        at = [place for place, line in enumerate(text.splitlines()) if header in line and "cell" in line]
        assert at
        assert all(end in " ".join(text.splitlines()[place : place + 5]) for place in at)


def test_a_note_explains_the_columns_that_are_shown_and_no_other(write):
    run = write(quick_answers())
    for shown in shown_tables(run):
        for remark in shown.remarks:
            fewer = shown
            for column in remark.about:
                assert remark.text in fewer.note
                fewer = fewer.without(column)
            assert (remark.text in fewer.note) == (not remark.about)
    explained = {width: [part.count("FLOPs") for part in printed(run, width).split("\n\n")] for width in (80, 400)}
    assert {*explained[80]} == {0}, "in neither header nor note"
    assert explained[400].count(2) == 5


def test_the_page_links_figures_that_are_there_and_shows_every_table(write, tmp_path):
    out = tmp_path / "out"
    write_report(write(quick_answers()), out)
    page = (out / "report.md").read_text("utf-8")
    links = [part.split(")")[0] for part in page.split("](")[1:]]
    assert len(links) == 8
    assert all((out / link).exists() for link in links)
    for title in ("adding[length=40]", "speed", "memory", "gate"):
        assert f"### {title} · " in page
    assert len(pd.read_csv(out / "tables" / "accuracy.csv")) == 13


def test_figures_are_the_same_bytes_for_the_same_run(write, tmp_path):
    run = write(quick_answers()[:40])
    first, second = write_report(run, tmp_path / "a"), write_report(run, tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_an_unwritable_folder_is_one_line(write, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match="cannot write the report"):
        write_report(write(quick_answers()[:3]), tmp_path / "file")


def test_the_frame_has_a_row_a_record_and_a_column_a_value(write, tmp_path):
    answers = quick_answers()
    run = write(answers)
    frame = load(tmp_path / "results")
    assert len(frame) == len(answers)
    assert set(frame["id"]) == {trial.id for trial in run.planned}
    gru = frame[(frame["cell"] == "gru") & (frame["task"] == "adding[length=40]")]
    assert list(gru["seed"]) == list(range(6))
    assert gru["value.steps_to_solved"].max() < 1000
    assert set(frame["shape"].dropna()) == {"B32 T40 H64 I2"}
    with pytest.raises(HarnessError, match="wanted a results folder"):
        load_frame(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert list(load_frame(tmp_path / "empty")["id"]) == []


def test_figures_have_few_digits_and_a_dash_where_there_is_nothing():
    assert [number(x) for x in (1234.5, 0.01234, 1.2e-5, 0.0, math.nan, math.inf, -math.inf)] == [
        *("1,234", "0.0123", "1.2e-5", "0", "–", "∞", "-∞")
    ]
    assert [duration(x) for x in (2.5, 1.2e-3, 4e-5, math.nan)] == ["2.50 s", "1.20 ms", "40.0 µs", "–"]
    assert [size(x) for x in (512, 2048, 3.5 * 2**20, math.nan)] == ["512 B", "2.00 KiB", "3.50 MiB", "–"]
    assert [listing(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["–", "a", "a and b", "a, b and c"]
    assert spread(1.8, 1.7234, 1.8901) == "1.80 [1.72–1.89]"
    assert spread(math.nan, 1.0, 2.0) == "–"


def test_a_report_needs_no_torch():
    modules = "harness.report.writing, harness.report.terminal, harness.report.frame"
    program = f"import sys, {modules}\nassert not {{'torch', 'matplotlib.pyplot'}} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
