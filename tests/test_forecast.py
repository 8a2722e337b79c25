"""How long a plan will take: by the median of like trials, and only where there are any."""

import json
from dataclasses import replace

import pytest

from harness import machine
from harness.forecast import forecast, rounded, seconds_by_likeness
from harness.record import Status
from recorded import ADDING, adding_record, speed_trial, training_trial


@pytest.fixture
def history(write, tmp_path):
    """The seconds of records: three trainings of 2, 4 and 60 s, one that timed out, one of another machine."""
    answers = [adding_record(training_trial(ADDING, "gru", seed), 500) for seed in range(5)]
    told = [(2.0, Status.OK, "here"), (4.0, Status.OK, "here"), (60.0, Status.DIVERGED, "here")]
    told += [(500.0, Status.TIMEOUT, "here"), (1.0, Status.OK, "elsewhere")]
    write(
        [
            (replace(answer, seconds=seconds, status=status, machine=made_on), {})
            for (answer, _), (seconds, status, made_on) in zip(answers, told, strict=True)
        ]
    )
    return seconds_by_likeness(tmp_path / "results", "here")


def test_a_trial_takes_the_median_of_those_that_differ_in_their_seed_alone(history):
    expected = forecast([training_trial(ADDING, "gru", 9)], history, cores=1)
    assert (expected.seconds, expected.records, expected.known, expected.unknown) == (4.0, 3, 1, 0)
    assert str(expected) == "about 4 s on 1 core, by the median of like trials on this machine (3 records)"


def test_what_has_no_like_is_counted_and_not_guessed(history):
    unlike = [
        training_trial(ADDING, "gru", 9, steps=2000),
        training_trial(ADDING, "lstm", 0),
        speed_trial("gru", "torch"),
    ]
    assert str(forecast(unlike, history, cores=2)).startswith("how long that takes is not known")
    both = forecast([*unlike, training_trial(ADDING, "gru", 9)], history, cores=2)
    assert both.unknown == 3
    assert str(both).endswith("; 3 trials have no like and are not counted")


def test_trials_share_the_cores_but_none_is_shorter_than_itself(history):
    trials = [training_trial(ADDING, "gru", seed) for seed in range(10, 15)]
    assert forecast(trials, history, cores=2).seconds == pytest.approx(10.0)
    assert forecast(trials[:1], history, cores=2).seconds == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.2, "1 s"), (59.4, "59 s"), (98, "1 min 40 s"), (118, "2 min"), (7500, "2 h 5 min")]
)
def test_a_time_is_said_as_people_say_it(seconds, said):
    assert rounded(seconds) == said


def test_plan_says_that_nothing_is_known_of_a_fresh_folder(command):
    told = command("plan", "--cells", "rnn", "--measures", "accuracy")
    assert "time: how long that takes is not known: no like trial has been recorded on this machine" in told.stdout
    plain = json.loads(command("plan", "--cells", "rnn", "--measures", "accuracy", "--json").stdout)
    assert plain["forecast"]["known"] == 0
    assert plain["forecast"]["cores"] == machine.allowed_cores()


def test_plan_predicts_from_the_records_of_a_run(grid, command):
    asked = ("--grid", "small.toml", "--measures", "accuracy", "--cells", "rnn")
    assert command("run", *asked, "--seeds", "2").returncode == 0
    told = command("plan", *asked, "--seeds", "3").stdout
    assert "by the median of like trials on this machine (2 records)" in told
    assert "time: nothing to run" in command("plan", *asked, "--seeds", "2").stdout
