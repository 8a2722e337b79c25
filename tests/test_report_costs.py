"""What the report says of speed, memory and the gate is what the records hold."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from harness.noise import Noise, keep, noise_told, read_noise
from harness.record import Measured, Status
from harness.report.bars import draw_memory
from harness.report.findings import findings
from harness.report.speeds import speed
from harness.report.style import Looks
from harness.report.tables import all_tables
from harness.trial import Trial
from recorded import (
    SHAPE,
    gate_record,
    memory_record,
    printed,
    quick_answers,
    record,
    row,
    sentence,
    speed_record,
    speed_trial,
    subject,
    told,
)


def test_speed_sentences_have_intervals_and_undecided_ones_say_so(write):
    run = write(quick_answers())
    assert "numpy trains rnn 1.57× [1.49, 1.65] faster than torch at B32 T40 H64 I2" in told(run)
    assert "numpy trains lstm 1.11× [1.05, 1.16] slower than torch" in told(run)
    assert "Undecided between numpy and torch at B32 T40 H64 I2: gru 0.989×" in told(run)
    assert "n = 6 pairs" in told(run)
    for one in findings(run):
        assert ("faster" in one or "slower" in one) <= ("×" in one and "[" in one)


def test_every_time_has_its_interval_over_pairs_of_processes(write):
    answer, arrays = speed_record(speed_trial("rnn", "numpy"), 1e-3, 1.5)
    middle = 1e-3 * (1 + 0.01 * np.arange(-2, 4))  # a pair each
    samples = np.repeat(np.stack([middle, middle], axis=1)[:, :, None], 12, axis=2)
    first = {"first_seconds": Measured(0.025, "s", timed=True)}
    arrays = {"train": samples, "forward": 0.3 * samples, "first": 25 * samples[:, :, 0]}
    run = write([(replace(answer, values={**answer.values, **first}), arrays)])
    found = row(all_tables(run)["speed"], cell="rnn")
    for name, scale in (("train", 1.0), ("forward", 0.3), ("first", 25.0)):
        assert found[f"{name}_seconds_low"] == pytest.approx(scale * middle[0])
        assert found[f"{name}_seconds_high"] == pytest.approx(scale * middle[-1])
    (line,) = (line for line in printed(run, width=250).splitlines() if line.startswith("rnn "))
    for text in ("1.00 ms [0.98–1.03]", "300 µs [294–309]", "25.0 ms [24.5–25.8]"):
        assert text in line


def test_a_speed_up_whose_interval_holds_1_is_undecided(write):
    run = write(
        [speed_record(speed_trial("rnn", "numpy"), 1e-3, 1.03), speed_record(speed_trial("gru", "numpy"), 1e-3, 0.97)]
    )
    assert "Undecided between numpy and torch" in told(run)
    assert "faster" not in told(run)
    assert "slower" not in told(run)


def test_what_lies_within_the_noise_of_the_baseline_against_itself_is_different_nowhere(write):
    noisy = [
        speed_record(speed_trial("rnn", "torch"), 1e-3, 1.2),
        speed_record(speed_trial("rnn", "numpy"), 1e-3, 1.15),
    ]
    run = write(noisy)
    assert "came out within 20 % of 1; 2 of 2 verdicts were false alarms (100 % [34, 100])" in told(run)
    assert "No pair at B32 T40 H64 I2 is called faster or slower within 20 % of 1" in told(run)
    assert "trains" not in told(run)
    assert "Undecided between numpy and torch at B32 T40 H64 I2: noise alone makes 20 % here: rnn 1.15×" in told(run)
    table = all_tables(run)["speed"]
    assert row(table, backend="numpy")[["train_verdict", "forward_verdict"]].eq("undecided").all()
    assert row(table, backend="torch")[["train_verdict", "forward_verdict"]].eq("itself").all()
    assert row(table, backend="numpy")["noise"] == pytest.approx(0.2)
    assert row(table, backend="numpy")["train_detectable"] == pytest.approx(1.04 * 1.2 - 1)  # beyond the noise
    (line,) = (line for line in printed(run).splitlines() if line.startswith("rnn ") and "numpy" in line)
    assert "undecided" in line
    assert "faster" not in line


def test_what_the_doctor_found_on_this_machine_is_noise_too(write):
    answers = [speed_record(speed_trial("rnn", "numpy"), 1e-3, 1.15), speed_record(speed_trial("gru", "numpy"), 1, 2)]
    run = write(answers)
    assert set(speed(run)["train_verdict"]) == {"faster"}
    assert "What timings on this machine are worth is unknown" in " ".join(printed(run).split())
    noise = Noise(
        **{
            "fingerprint": "",
            "threads": 1,
            "taken": "2030-01-01T00:00",
            "subject": "rnn@torch",
            "verdicts": 24,
            "false_alarms": 1,
        },
        **{"greatest": 0.12, "detectable": 0.03, "worst_detectable": 0.2, "disturbed": 4},
    )
    assert noise_told(None, "cuda", 2).endswith("`harness doctor --device cuda --threads 2` finds out.")
    keep(noise, run.folder.parent.parent)
    assert read_noise(run.folder.parent.parent, "", 2) is None
    damaged = replace(noise, threads=2, greatest="much")
    keep(damaged, run.folder.parent.parent)
    assert read_noise(run.folder.parent.parent, "", 2) is None
    assert dict(zip(speed(run)["cell"], speed(run)["train_verdict"], strict=True)) == {
        "rnn": "undecided",
        "gru": "faster",
    }
    text = " ".join(printed(run).split())
    assert "1 of 24 verdicts were false alarms (4 % [1, 20])" in text
    assert "the greatest difference between equals was 12.0 %; a comparison finds 15.4 %" in text
    assert "the worst one 34.4 %; 4 of 24 had company" in text


def test_speed_memory_and_gate_keep_a_row_for_what_has_no_figures(write):
    rejected = record(speed_trial("lstm", "swapped"), {}, status=Status.REJECTED, reason="did not pass its gate")
    lost = Trial(measure="memory", cell=subject("lstm"), backend="swapped", shape=SHAPE)
    run = write([*quick_answers(), gate_record("lstm", "swapped", 53_000.0), (rejected, {})], unanswered=[lost])
    tables = all_tables(run)
    assert row(tables["speed"], backend="swapped")["status"] == "rejected"
    assert row(tables["memory"], backend="swapped")["status"] == "not run"
    assert not row(tables["gate"], pair="lstm@swapped")["passed"]
    assert "10 of 11 pairs agree with their equation; worst figure 0.20 of the tolerance" in told(run)
    assert "lstm@swapped is rejected, 53,000 times the tolerance: output y is wrong at B3 T5 H17." in told(run)
    assert "1 not run" in told(run)
    assert "10 of 11 trials" in printed(run)
    assert len(tables["failures"]) == 3
    assert "The smallest peak of a train step at B32 T40 H64 I2, by cell: rnn 717 KiB (numpy)" in told(run)


def test_agreement_without_examples_is_with_the_equation_as_written(write):
    run = write([gate_record("mine", backend, 0.1, examples=0) for backend in ("torch", "eager")] + quick_answers()[:9])
    assert "mine has no examples from another source: agreement is with the equation as written." in told(run)
    assert set(all_tables(run)["gate"].set_index("pair").loc[["mine@torch", "mine@eager"], "examples"]) == {0}
    (line,) = (line for line in printed(run).splitlines() if line.startswith("mine@torch"))
    assert line.split()[-1] == "none"
    assert "examples from another source" not in told(write(quick_answers()[:9]))


def marked(answer, **marks):
    return replace(answer[0], values=answer[0].values | {k: Measured(v, timed=True) for k, v in marks.items()}), {}


def test_who_hides_memory_is_not_called_the_smallest(write):
    hiding = marked(memory_record("rnn", "eager", 1e5), hides=True, unseen_bytes=6e7)
    counted = [memory_record("rnn", backend, peak) for backend, peak in (("numpy", 2e6), ("torch", 3e6))]
    run = write([hiding, *counted, marked(memory_record("gru", "eager", 1e5), hides=True, unseen_bytes=6e7)])
    smallest = sentence(run, "The smallest peak")
    assert "at B32 T40 H64 I2, of those that hide nothing, by cell: rnn 1.91 MiB (numpy)." in smallest
    assert "rnn@eager at B32 T40 H64 I2: the system gave it 57.2 MiB more than was counted" in told(run)


def test_who_hides_memory_is_marked_in_the_figure(write):
    hiding = marked(memory_record("rnn", "eager", 1e5), hides=True, unseen_bytes=6e7)
    run = write([hiding, memory_record("rnn", "numpy", 2e6)])
    axes = Figure().add_subplot()
    draw_memory(axes, run, str(SHAPE), Looks.of(run))
    assert [note.get_text() for note in axes.texts if "iB" in note.get_text()] == ["97.7 KiB †", "1.91 MiB"]


def test_where_the_system_tells_nothing_of_what_the_count_misses_that_is_said(write):
    run = write([marked(memory_record("rnn", "numpy", 2e6), hides=False, unseen_bytes=math.nan)])
    assert "Whether the count misses something, the system does not say of 1 of 1 rows." in told(run)
    assert "does not say" not in told(
        write([marked(memory_record("rnn", "numpy", 2e6), hides=False, unseen_bytes=0.0)])
    )


def growing(sizes, kept):
    """A memory record whose trial weighed such sizes and bytes."""
    answer, _ = memory_record("rnn", "numpy", 1e6)
    known = {"parameters": Measured(10), "parameter_bytes": Measured(40, "bytes")}
    return replace(answer, values={**answer.values, **known}), {"scaling": np.column_stack([sizes, kept])}


def test_numbers_per_tbh_are_told_where_the_sizes_tell_them(write):
    parts = [(1, 1, 2), (1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 3), (2, 2, 1), (3, 1, 1), (2, 3, 1), (3, 3, 3)]
    sizes = 8 * np.array(parts)
    run = write([growing(sizes, 20 * sizes.prod(axis=1))])
    assert "Numbers kept for backward for each T·B·H: rnn 5.00 (numpy)" in told(run)
    assert "predict what is kept here to within 0.010 %" in told(run)
    assert "5.00" in printed(run, width=160)


def test_numbers_per_tbh_are_not_told_where_t_is_1(write):
    parts = [(1, 1, 2), (1, 1, 1), (1, 2, 1), (1, 1, 3), (1, 2, 2), (1, 3, 1), (1, 2, 3), (1, 3, 2), (1, 3, 3)]
    sizes = 8 * np.array(parts)
    run = write([growing(sizes, 20 * sizes.prod(axis=1))])
    assert "for each T·B·H" not in told(run)
    assert np.isnan(all_tables(run)["memory"]["numbers_per_TBH"]).all()
    assert all_tables(run)["scaling"].empty
