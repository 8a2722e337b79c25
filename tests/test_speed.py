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
import json, sys
from pathlib import Path
from harness import plugins
from harness.measures import Context, measure
from harness.settings import LayerShape
from harness.trial import Subject, Trial

folder, plain = Path(sys.argv[1]), json.loads(sys.argv[2])
catalog = plugins.load([folder / "toys.py"])
trial = Trial(
    measure="speed", cell=Subject.of(catalog.cells["rnn"].value), shape=LayerShape(batch=2, length=3, hidden=4, inputs=2), **plain
)
answer = measure(trial, Context(catalog=catalog, folder=folder))
values = {name: [m.value, m.unit, m.timed] for name, m in answer.values.items()}
arrays = {name: array.tolist() for name, array in answer.arrays.items()}
print(json.dumps({"values": values, "arrays": arrays, "timed": sorted(answer.timed_arrays), "digest": answer.digest()}))
"""


@pytest.fixture
def ask(tmp_path):
    """Asks for a speed trial in a fresh process on one thread; `ask.fails` gives what such a process says."""

    def start(**trial):
        (tmp_path / "toys.py").write_text(TOYS, "utf-8")
        variables = environment(1) | {"TOY_LOG": str(tmp_path / "log")}
        command = [sys.executable, "-W", "error", "-c", ASK, str(tmp_path), json.dumps(trial)]
        return subprocess.run(command, capture_output=True, text=True, env=variables)

    def answer(**trial):
        done = start(**trial)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def fails(**trial):
        done = start(**trial)
        assert done.returncode != 0
        return done.stderr

    answer.fails = fails
    return answer


def test_raw_samples_are_kept_and_give_the_figures(ask):
    answer = ask(backend="torch", versus="nothing")
    rounds = answer["values"]["rounds"][0]
    for mode in ("train", "forward"):
        subject, versus = (np.array(answer["arrays"][f"{mode}_{side}"]) for side in ("subject", "versus"))
        assert subject.shape == versus.shape == (PAIRS, rounds)
        assert (subject > 0).all()
        for name, measured in compare(subject, versus).items():
            assert answer["values"][f"{mode}_{name}"] == [measured.value, measured.unit, True]


def test_what_no_clock_made_is_the_same_in_every_run(ask):
    first, second = (ask(backend="nothing", versus="nothing") for _ in range(2))
    assert first["arrays"] != second["arrays"]
    assert first["digest"] == second["digest"]
    assert first["values"]["parameters"][0] == 4 * 2 + 4 * 4 + 4 + 4


def test_both_sides_run_equally_often_in_fresh_processes_of_one_referee(ask, tmp_path):
    values = ask(backend="log", versus="log")["values"]
    calls = [line.split() for line in (tmp_path / "log").read_text("utf-8").splitlines()]
    assert len({parent for _, parent in calls}) == 1
    counts = {worker: sum(pid == worker for pid, _ in calls) for worker, _ in calls}
    assert len(counts) == 2 * PAIRS
    timed = values["rounds"][0] * sum(values[f"{mode}_calls"][0] + 1 for mode in ("train", "forward"))
    assert min(counts.values()) >= timed + 2 * 3, "each turn and at least three calls of warm-up"


def test_a_side_that_works_several_times_as_much_is_found_slower(ask):
    values = ask(backend="burn", versus="nothing")["values"]
    for mode in ("train", "forward"):
        assert values[f"{mode}_speedup_high"][0] < 1
        assert values[f"{mode}_seconds"][0] > values[f"{mode}_versus_seconds"][0]


def test_more_work_on_the_other_side_is_found_faster(ask):
    values = ask(backend="nothing", versus="burn")["values"]
    assert values["train_speedup_low"][0] > 1


def test_pools_of_another_size_are_refused(ask):
    message = ask.fails(backend="nothing", versus="torch", threads=2)
    assert "HarnessError: rnn@" in message
    assert "wanted every pool on 2 threads" in message


def test_what_a_layer_raises_arrives_with_its_traceback(ask):
    message = ask.fails(backend="torch", versus="fail")
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
def test_a_worker_that_cannot_go_on_says_why(ask, backend, message):
    assert message in ask.fails(backend=backend, versus="nothing")


def test_a_trial_without_the_other_side_is_refused(ask):
    assert "wanted a speed trial with the backend it is compared with" in ask.fails(backend="nothing")


def test_a_planted_ratio_is_recovered_whatever_the_machine_does_meanwhile():
    rng = np.random.default_rng(1)
    drift = np.exp(rng.normal(0, 0.3, (PAIRS, 12)))  # common to both sides of a round
    subject = 1e-3 * drift * np.exp(rng.normal(0, 0.02, drift.shape))
    versus = 1.2e-3 * drift * np.exp(rng.normal(0, 0.02, drift.shape))
    versus[:, 0] *= 50  # one bad round a pair
    found = compare(subject, versus)
    assert found["speedup_low"].value < 1.2 < found["speedup_high"].value
    assert found["speedup"].value == pytest.approx(1.2, rel=0.03)
    assert found["speedup_low"].value > 1 + found["detectable"].value


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
    rounds = [schedule_for({"train": (s, s), "forward": (s, s)}).rounds for s in (1e-4, 8e-3, 2e-2, 1.0)]
    assert rounds == sorted(rounds, reverse=True)
    assert rounds[0] > rounds[1] > rounds[-1] == FEWEST_ROUNDS
    assert max(rounds) <= MOST_ROUNDS
    assert schedule_for({"train": (1.0, 1e-3)}).calls == {"train": 1}
