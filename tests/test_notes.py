"""What was noted beside a timing reaches every reader: tables, sentences, comparisons and files."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from harness.bench.frequency import megahertz
from harness.compare.pairs import noted_of, speed_claims
from harness.compare.sentences import sentence
from harness.isolation.request import Result
from harness.measures.notes import NOTED, clock_told, notes_told
from harness.record import Measured, Status
from harness.report.tables import all_tables
from recorded import printed, row, speed_record, speed_trial, told

QUIET = {
    "steady": True,
    "denormal_share": 0.0,
    "versus_denormal_share": 0.0,
    "throttled_turns": 0,
    "turns": 288,
    "cpu_mhz": 2600.0,
    "cpu_mhz_least": 2600.0,
    "cpu_mhz_most": 2600.0,
    "other_load": 0.0,
    "stolen": 0.0,
    "held_back": 0.0,
    "disturbed": "",
}
HELD_BACK = "the device was held back (power, heat or a brake) in 12 of 288 turns"
DENORMAL = "25 % of what rnn@torch computes are denormal numbers, which slow some processors down"


def noting(cell="rnn", **changes):
    answer, arrays = speed_record(speed_trial(cell, "numpy"), 1e-3, 1.5)
    noted = {name: Measured(value, timed=True) for name, value in (QUIET | changes).items()}
    return replace(answer, values={**answer.values, **noted}), arrays


def claim(noise=0.0, **changes):
    answer, arrays = noting(**changes)
    result = Result(status=Status.OK, values=answer.values)
    arrays = {**arrays, "first": arrays["train"][:, :, 0]}
    return next(speed_claims(answer.trial, (result, arrays), margin=0.02, noise=noise))


def system(root: Path, core: int, **files: str) -> Path:
    """/proc and /sys of a process on a core; `__` stands for a slash."""
    status = f"1 (a (b) c) R {' '.join(['0'] * 35)} {core} 0 0"
    for name, text in {"proc__self__stat": status, **files}.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", "utf-8")
    return root


INFO = "processor\t: 0\ncpu MHz\t\t: 1000.5\n\nprocessor\t: 1\ncpu MHz\t\t: 3000.5"


def test_the_clock_is_that_of_the_core_it_runs_on(tmp_path):
    cpufreq = {f"sys__devices__system__cpu__cpu{k}__cpufreq__scaling_cur_freq": f"{k + 2}100000" for k in range(2)}
    assert megahertz(system(tmp_path / "driven", 1, proc__cpuinfo=INFO, **cpufreq)) == 3100
    assert megahertz(system(tmp_path / "told", 1, proc__cpuinfo=INFO)) == 3000.5
    assert megahertz(system(tmp_path / "other", 0, proc__cpuinfo=INFO)) == 1000.5


def test_a_clock_that_nobody_tells_is_said_to_be_unknown(tmp_path):
    assert math.isnan(megahertz(system(tmp_path, 0, proc__cpuinfo="processor : 0\nmodel name : a CPU")))
    assert math.isnan(megahertz(tmp_path / "nowhere"))
    unknown = dict.fromkeys(("cpu_mhz", "cpu_mhz_least", "cpu_mhz_most"))
    assert "95 %, finds 4.0 %, clock not told)" in sentence(claim(**unknown))
    assert claim(**unknown).to_plain()["cpu_mhz"] is None


def test_a_clock_that_changed_is_told_from_least_to_most():
    assert clock_told(QUIET) == "2,600 MHz"
    assert clock_told(QUIET | {"cpu_mhz_most": 3400.0}) == "2,600 to 3,400 MHz"


def test_nothing_is_noted_where_nothing_was_amiss(write):
    assert [*notes_told(QUIET, ("a", "b"))] == []
    run = write([noting()])
    assert "‡" not in printed(run, width=160)
    assert row(all_tables(run)["speed"], cell="rnn")["notes"] == ""
    assert "The processor: 2,600 MHz." in " ".join(printed(run, width=160).split())


@pytest.mark.parametrize(
    ("changes", "note", "finding"),
    [
        ({"throttled_turns": 12}, HELD_BACK, "was held back (power, heat or a brake) in 12 of 288 turns of rnn@numpy."),
        ({"versus_denormal_share": 0.25}, DENORMAL, "rnn@torch compute with denormal numbers"),
        ({"denormal_share": 0.25}, DENORMAL.replace("torch", "numpy"), "rnn@numpy compute with denormal numbers"),
        ({"steady": False}, "a side did not become steady in its warm-up", "did not become steady"),
    ],
)
def test_what_was_amiss_reaches_tables_sentences_comparisons_and_files(write, changes, note, finding):
    run = write([noting(**changes)])
    assert row(all_tables(run)["speed"], cell="rnn")["notes"] == note
    text = " ".join(printed(run, width=160).split())
    assert "1.00 ms ‡" in text
    assert f"‡ rnn@numpy: {note}." in text
    assert finding in told(run)
    found = claim(**changes)
    assert found.to_plain()["notes"] == [note]
    assert f"; {note}" in sentence(found)


def test_what_a_comparison_says_it_finds_lies_beyond_the_noise():
    assert claim(noise=0.05).to_plain()["detectable"] == pytest.approx(1.04 * 1.05 - 1)
    assert "95 %, finds 9.2 %," in sentence(claim(noise=0.05))


def test_a_comparison_bears_everything_that_was_noted():
    plain = claim(throttled_turns=12, disturbed="other processes kept 1.2 cores busy").to_plain()
    assert set(NOTED) <= set(plain)
    assert plain["throttled_turns"] == 12
    assert plain["notes"] == ["other processes kept 1.2 cores busy", HELD_BACK]
    assert noted_of(noting()[0].values, ("a", "b"))["clock"] == "2,600 MHz"


def test_rows_of_one_note_are_named_once(write):
    run = write([noting(steady=False), noting("gru", steady=False)])
    text = " ".join(printed(run, width=160).split())
    assert "‡ rnn@numpy and gru@numpy: a side did not become steady in its warm-up." in text
