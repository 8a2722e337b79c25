"""Two cells by their recorded trainings: how many of how many, and no verdict from survivors."""

import json
import math
from dataclasses import replace

import pytest

from harness.compare.recorded import compare_recorded
from harness.compare.sentences import sentence
from harness.record import Measured, Status
from harness.spelling import parse
from recorded import ADDING, G2P, adding_record, g2p_record, record, training_trial, values


def rated(cell, rates):
    return [g2p_record(training_trial(G2P, cell, seed), rate) for seed, rate in enumerate(rates)]


def diverged(answer, **kept):
    plain = {name: value for name, value in answer.values.items() if name in ("primary", "better", *kept)}
    return record(answer.trial, plain, status=Status.DIVERGED, reason="at step 7"), {}


def without_baseline(answers):
    return [
        (replace(found, values={k: v for k, v in found.values.items() if not k.startswith("baseline")}), arrays)
        for found, arrays in answers
    ]


def compared(run, a="gru", b="rnn"):
    return list(compare_recorded(parse(a), parse(b), run))


CLEAR = (0.20, 0.21, 0.22, 0.20, 0.23, 0.21)
WORSE = (0.30, 0.32, 0.31, 0.33, 0.30, 0.35)
BETTER = (0.10, 0.11, 0.12, 0.13, 0.14, 0.15)


def test_a_clear_difference_of_complete_groups_is_a_verdict_with_n_of_N(write):
    run = write(rated("gru", CLEAR) + rated("rnn", WORSE))
    (found,) = compared(run)
    assert (found.verdict, found.estimate.n, found.reason) == ("better", 6, "")
    assert found.details["p"] == 2 / 2**6
    assert found.estimate.value == pytest.approx(sum(CLEAR) / 6 - sum(WORSE) / 6)
    assert "gru@torch 0.210 [0.200–0.230] (6/6 seeds), rnn@torch 0.315 [0.300–0.350] (6/6 seeds)" in sentence(found)
    (mirrored,) = compared(run, "rnn", "gru")
    assert (mirrored.verdict, mirrored.estimate.value) == ("worse", -found.estimate.value)


def test_claims_about_one_task_in_two_settings_do_not_read_alike(write):
    slow = [g2p_record(training_trial(G2P, c, s, batch=64), r) for c in ("gru", "rnn") for s, r in enumerate(CLEAR)]
    told = [sentence(claim) for claim in compared(write(rated("gru", CLEAR) + rated("rnn", WORSE) + slow))]
    assert ["batch 32" in told[0], "batch 64" in told[1], len(told)] == [True, True, 2]


def test_an_interval_alone_decides_nothing(write):
    """Five seeds are better by as much as the sixth is: the t interval excludes 0, p of the signs is 0.0625."""
    ahead = (0.10, 0.12, 0.09, 0.11, 0.10, -0.002)
    run = write(rated("gru", CLEAR) + rated("rnn", [a + b for a, b in zip(CLEAR, ahead, strict=True)]))
    (found,) = compared(run)
    assert found.estimate.high < 0
    assert found.details["p"] == pytest.approx(0.0625)
    assert found.verdict == "undecided"


def test_survivors_of_a_cell_that_diverged_are_not_the_cell(write):
    """Without the two that diverged, and without a scale to place them on, rnn would be the better one."""
    lost = [diverged(answer) if place < 2 else (answer, a) for place, (answer, a) in enumerate(rated("rnn", CLEAR))]
    (found,) = compared(write(without_baseline(rated("gru", WORSE) + lost)))
    assert found.verdict == "undecided"
    assert found.reason == "2 of 6 seeds of rnn@torch diverged"
    assert found.to_plain()["difference"] is None
    assert (found.details["b_seeds"], found.details["b_planned"], found.details["b_diverged"]) == (6, 6, 2)
    assert "(6/6 seeds, 2 diverged)" in sentence(found)
    assert sentence(found).endswith("; 2 of 6 seeds of rnn@torch diverged")


def test_a_training_that_diverged_counts_as_the_baseline_where_there_is_one(write):
    """A cell that diverges with every seed is worse than one that learns, not unknown."""
    lost = [diverged(answer, **{"baseline.phoneme_error_rate": 1}) for answer, _ in rated("rnn", CLEAR)]
    (found,) = compared(write(rated("gru", CLEAR) + lost))
    assert found.verdict == "better"
    assert found.estimate.value == pytest.approx(sum(CLEAR) / 6 - 0.91)
    assert "scores worse than the baseline count as the baseline: 6" in sentence(found)


def test_a_cell_that_lacks_trainings_is_not_judged(write):
    gru, rnn = rated("gru", CLEAR), rated("rnn", WORSE)
    missing = [answer.trial for answer, _ in rated("rnn", [0.3] * 8)[6:]]
    more = rated("gru", [*CLEAR, 0.2, 0.2])[6:]
    (found,) = compared(write([*gru, *rnn, *more], unanswered=missing))
    assert found.verdict == "undecided"
    assert found.reason == "6 of 8 seeds of rnn@torch have a result"
    assert "(8/8 seeds), rnn@torch 0.315 [0.300–0.350] (6/8 seeds)" in sentence(found)


def test_a_score_that_is_no_number_decides_nothing(write):
    gru = rated("gru", CLEAR)
    answer, arrays = gru[3]
    odd = replace(answer, values={**answer.values, "test.phoneme_error_rate": Measured(math.nan)})
    answers = without_baseline([*gru[:3], (odd, arrays), *gru[4:], *rated("rnn", WORSE)])
    (found,) = compared(write(answers))
    assert (found.verdict, found.reason) == ("undecided", "a score of gru@torch is no finite number")


def test_where_one_solved_the_steps_are_compared_and_who_did_not_took_the_budget(write):
    solved = [adding_record(training_trial(ADDING, "gru", seed), 300 + 25 * (seed % 3)) for seed in range(6)]
    never = [adding_record(training_trial(ADDING, "rnn", seed), None) for seed in range(5)]
    answer, _ = adding_record(training_trial(ADDING, "rnn", 5), None)
    lost = record(
        answer.trial,
        values(solved=False, steps_to_solved=None, primary="mse", better="lower", baseline__mse=1 / 6),
        status=Status.DIVERGED,
    )
    score, steps = compared(write([*solved, *never, (lost, {})]))
    assert (score.measure, score.verdict) == ("mse", "better")
    assert (steps.measure, steps.verdict, steps.estimate.n) == ("steps to solve", "better", 6)
    assert steps.estimate.value == pytest.approx(-675)
    assert steps.sides[1].value == 1000
    assert "steps to solve (at most 1,000): gru@torch 325 [300–350] (6/6 seeds)" in sentence(steps)


def test_trainings_of_several_machines_are_never_pooled_silently(write):
    run = write(rated("gru", CLEAR) + rated("rnn", WORSE))
    assert "machines" not in sentence(compared(run)[0])
    elsewhere = {record_id: "cafe" if place < 4 else "beef" for place, record_id in enumerate(run.records)}
    (found,) = compared(replace(run, machines=elsewhere))
    assert found.details["machines"] == {"cafe": 4, "beef": 8}
    assert "trainings of 2 machines stand together: 4 of cafe and 8 of beef" in sentence(found)


@pytest.mark.parametrize(
    ("condition", "rnn", "code"),
    [
        ("worse", WORSE, 0),
        ("worse:5%", CLEAR, 0),
        ("worse", CLEAR, 3),
        ("worse", BETTER, 1),
    ],
)
def test_the_exit_code_tells_passed_failed_and_undecided_apart(write, command, condition, rnn, code):
    write(rated("gru", CLEAR) + rated("rnn", rnn))
    done = command("compare", "gru", "rnn", "--measures", "accuracy", "--fail-if", condition, "--json")
    assert done.returncode == code, done.stderr
    document = json.loads(done.stdout)
    assert (len(document["failed"]), len(document["undecided"])) == (int(code == 1), int(code == 3))


def test_two_cells_are_compared_by_their_recorded_trainings(command, grid):
    done = command("run", "--grid", grid.name, "--results", "there", "--cells", "rnn,gru")
    assert done.returncode == 0, done.stderr
    done = command("compare", "gru", "rnn", "--measures", "accuracy", "--results", "there", "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["comparisons"]
    assert (found["task"], found["measure"], found["seeds"]) == ("adding[length=4]", "mse", 3)
    assert (found["verdict"], found["reason"]) == ("undecided", "n = 3: too few seeds (6 at least)")
    assert found["interval"][0] <= found["difference"] <= found["interval"][1]
    assert found["p"] >= 0.25, "three seeds cannot give a smaller one"


def test_cells_that_no_run_has_together_are_told_in_words(command, grid):
    command("run", "--grid", grid.name, "--results", "there", "--cells", "rnn", "--seeds", "1")
    done = command("compare", "gru", "rnn", "--measures", "accuracy", "--results", "there")
    assert done.returncode == 2
    assert "wanted recorded trainings of gru and rnn" in done.stderr
