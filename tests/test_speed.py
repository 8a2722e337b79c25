import json
import subprocess
import sys

import numpy as np
import pytest

from harness.isolation.client import environment
from harness.measures.speed import FEWEST_ROUNDS, MOST_ROUNDS, PAIRS, compare, schedule_for

TOYS = """
import os, signal
from dataclasses import dataclass
import harness


def layer(cell, plan, act):
    from harness.layer import CellLayer
    from harness.ops import TorchOps
    from harness.unroll import unroll
    import torch

    class Toy(CellLayer):
        def run(self, x, state):
            act()
            outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
            return torch.stack(outputs), final

    return Toy(cell, plan)


def nothing():
    pass


def log():
    with open(os.environ["TOY_LOG"], "a") as file:
        file.write(f"{os.getpid()} {os.getppid()}\\n")


def burn():
    for k in range(200_000):
        k * k


def fail():
    raise ValueError("no gates today")


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    raise SystemExit(3)


def starve():
    raise MemoryError("too much")


def other(cell, plan):
    made = layer(cell, plan, nothing)
    made.bare = lambda state: lambda x: (made(2 * x, state)[0], state)
    return made


@dataclass(frozen=True)
class Toy:
    about: harness.About
    act: object
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None

    def build(self, cell, plan):
        return self.act(cell, plan) if self.act is other else layer(cell, plan, self.act)


@harness.hookimpl
def harness_backends():
    acts = (nothing, log, burn, fail, crash, leave, starve, other)
    return [Toy(harness.About(name=act.__name__, title="toy"), act) for act in acts]
"""

ASK = """
import json, os, sys, traceback
from pathlib import Path
from harness import plugins
from harness.isolation.server import preload
from harness.measures import Context, measure, speed
from harness.settings import LayerShape
from harness.trial import Subject, Trial

folder, questions = Path(sys.argv[1]), json.loads(sys.argv[2])
preload()
catalog = plugins.load([folder / "toys.py"])
cell, shape = Subject.of(catalog.cells["rnn"].value), LayerShape(batch=2, length=3, hidden=4, inputs=2)


def answer(name, question):
    trial = Trial(measure="speed", cell=cell, shape=shape, **question)
    try:
        found = measure(trial, Context(catalog=catalog, folder=folder))
        plain = {
            "values": {name: [m.value, m.unit, m.timed] for name, m in found.values.items()},
            "arrays": {name: array.tolist() for name, array in found.arrays.items()},
            "digest": found.digest(),
        }
    except Exception:
        plain = {"raised": traceback.format_exc()}
    (folder / f"{name}.json").write_text(json.dumps(plain), "utf-8")


for name, question in questions.items():
    pid = os.fork()
    if pid == 0:
        try:
            answer(name, question)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
"""

QUESTIONS = {
    "plain": {"backend": "torch", "versus": "nothing"},
    "first": {"backend": "log", "versus": "log"},
    "second": {"backend": "log", "versus": "log"},
    "burn": {"backend": "burn", "versus": "nothing"},
    "burnt": {"backend": "nothing", "versus": "burn"},
    "threads": {"backend": "nothing", "versus": "torch", "threads": 2},
    "alone": {"backend": "nothing"},
} | {name: {"backend": name, "versus": "nothing"} for name in ("fail", "crash", "leave", "starve", "other")}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers to all questions, each from a fresh fork of a process on one thread that has computed nothing."""
    folder = tmp_path_factory.mktemp("speed")
    (folder / "toys.py").write_text(TOYS, "utf-8")
    command = [sys.executable, "-W", "error", "-c", ASK, str(folder), json.dumps(QUESTIONS)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(1) | {"TOY_LOG": str(folder / "log")}
    )
    assert done.returncode == 0, done.stderr
    found = {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in QUESTIONS}
    calls = [line.split() for line in (folder / "log").read_text("utf-8").splitlines()]
    return found | {"calls": calls}


def test_raw_samples_are_kept_and_give_the_figures(answers):
    answer = answers["plain"]
    rounds = answer["values"]["rounds"][0]
    for mode in ("train", "forward"):
        subject, versus = (np.array(answer["arrays"][f"{mode}_{side}"]) for side in ("subject", "versus"))
        assert subject.shape == versus.shape == (PAIRS, rounds)
        assert (subject > 0).all()
        for name, measured in compare(subject, versus).items():
            assert answer["values"][f"{mode}_{name}"] == [measured.value, measured.unit, True]


def test_what_no_clock_made_is_the_same_in_every_run(answers):
    first, second = answers["first"], answers["second"]
    assert first["arrays"] != second["arrays"]
    assert first["digest"] == second["digest"]
    assert first["values"]["parameters"][0] == 4 * 2 + 4 * 4 + 4 + 4


def test_both_sides_run_equally_often_in_fresh_processes_of_one_referee(answers):
    by_referee = {}
    for worker, referee in answers["calls"]:
        by_referee.setdefault(referee, []).append(worker)
    assert len(by_referee) == 2, "one referee a trial"
    for name, calls in zip(("first", "second"), by_referee.values(), strict=True):
        values = answers[name]["values"]
        workers = dict.fromkeys(calls)
        assert len(workers) == 2 * PAIRS
        timed = values["rounds"][0] * sum(values[f"{mode}_calls"][0] + 1 for mode in ("train", "forward"))
        fewest = min(calls.count(worker) for worker in workers)
        assert fewest >= timed + 2 * 3, "every turn, and at least three calls of warm-up in each mode"


def test_a_side_that_works_several_times_as_much_is_found_slower(answers):
    values = answers["burn"]["values"]
    for mode in ("train", "forward"):
        assert values[f"{mode}_speedup_high"][0] < 1
        assert values[f"{mode}_seconds"][0] > values[f"{mode}_versus_seconds"][0]


def test_a_side_is_found_faster_where_the_other_works_more(answers):
    assert answers["burnt"]["values"]["train_speedup_low"][0] > 1


def test_pools_of_another_size_are_refused(answers):
    message = answers["threads"]["raised"]
    assert "HarnessError: rnn@" in message
    assert "wanted every pool on 2 threads" in message


def test_what_a_layer_raises_arrives_with_its_traceback(answers):
    message = answers["fail"]["raised"]
    assert "WorkerFailed: rnn@fail: ValueError: no gates today" in message
    assert 'raise ValueError("no gates today")' in message


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("crash", "WorkerFailed: rnn@crash ended by SIGSEGV"),
        ("leave", "WorkerFailed: rnn@leave ended with exit code 3"),
        ("starve", "MemoryError: rnn@starve: MemoryError: too much"),
        ("other", "wanted Toy.bare to compute what the layer does"),
    ],
)
def test_a_worker_that_cannot_go_on_says_why(answers, backend, message):
    assert message in answers[backend]["raised"]


def test_a_trial_without_the_other_side_is_refused(answers):
    assert "wanted a speed trial with the backend it is compared with" in answers["alone"]["raised"]


def test_a_planted_ratio_is_recovered_whatever_the_machine_does_meanwhile():
    rng = np.random.default_rng(1)
    drift = np.exp(rng.normal(0, 0.3, (PAIRS, 12)))  # common to both sides of a round
    subject = 1e-3 * drift * np.exp(rng.normal(0, 0.02, drift.shape))
    versus = 1.2e-3 * drift * np.exp(rng.normal(0, 0.02, drift.shape))
    found = compare(subject, versus)
    assert found["speedup_low"].value < 1.2 < found["speedup_high"].value
    assert found["speedup"].value == pytest.approx(1.2, rel=0.02)
    assert found["detectable"].value < 0.05
    versus[:, 0] *= 50  # one bad round a pair
    assert compare(subject, versus)["speedup"].value == pytest.approx(1.2, rel=0.02)


def test_both_sides_in_turn_change_places_exactly():
    rng = np.random.default_rng(2)
    subject, versus = rng.uniform(1, 2, (2, PAIRS, 7))
    there, back = compare(subject, versus), compare(versus, subject)
    assert there["speedup"].value == pytest.approx(1 / back["speedup"].value)
    assert there["speedup_low"].value == pytest.approx(1 / back["speedup_high"].value)
    assert there["seconds"] == back["versus_seconds"]


@pytest.mark.parametrize("slower", [1e-6, 3e-5, 1e-3, 4.9e-3])
def test_the_slower_side_of_short_steps_takes_five_to_ten_milliseconds_a_turn(slower):
    schedule = schedule_for({"train": (slower, slower / 3), "forward": (1e-5, 1e-5)})
    assert 5e-3 <= schedule.calls["train"] * slower < 10e-3


def test_slow_steps_are_timed_singly_in_fewer_rounds_down_to_a_floor():
    rounds = [schedule_for({"train": (s, s), "forward": (s, s)}).rounds for s in (1e-4, 1e-3, 1.0)]
    assert rounds == sorted(rounds, reverse=True)
    assert rounds[0] > rounds[1] > rounds[-1] == FEWEST_ROUNDS
    assert max(rounds) <= MOST_ROUNDS
    assert schedule_for({"train": (1.0, 1e-3)}).calls == {"train": 1}
