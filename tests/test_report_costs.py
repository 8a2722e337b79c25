"""What the report says of speed, memory and the gate is what the records hold."""

from harness.record import Status
from harness.report.findings import findings
from harness.report.tables import all_tables
from harness.trial import Trial
from recorded import SHAPE, gate_record, printed, quick_answers, record, row, speed_record, speed_trial, subject, told


def test_speed_sentences_have_intervals_and_undecided_ones_say_so(write):
    run = write(quick_answers())
    assert "numpy trains rnn 1.57× [1.49, 1.65] faster than torch at B32 T40 H64 I2" in told(run)
    assert "numpy trains lstm 1.11× [1.05, 1.16] slower than torch" in told(run)
    assert "Undecided between numpy and torch at B32 T40 H64 I2: gru 0.989×" in told(run)
    assert "n = 6 pairs" in told(run)
    for one in findings(run):
        assert ("faster" in one or "slower" in one) <= ("×" in one and "[" in one)


def test_a_speed_up_whose_interval_holds_1_is_undecided(write):
    run = write(
        [speed_record(speed_trial("rnn", "numpy"), 1e-3, 1.03), speed_record(speed_trial("gru", "numpy"), 1e-3, 0.97)]
    )
    assert "Undecided between numpy and torch" in told(run)
    assert "faster" not in told(run)
    assert "slower" not in told(run)


def test_what_lies_within_the_noise_of_the_baseline_against_itself_is_no_finding(write):
    noisy = [
        speed_record(speed_trial("rnn", "torch"), 1e-3, 1.2),
        speed_record(speed_trial("rnn", "numpy"), 1e-3, 1.15),
    ]
    run = write(noisy)
    assert "came out within 20 % of 1" in told(run)
    assert "faster" not in told(run)
    assert "Undecided between numpy and torch" in told(run)


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
