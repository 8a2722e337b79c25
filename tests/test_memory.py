import json
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from harness.bench.scales import CpuScales
from harness.isolation.client import environment

TOYS = '''
from dataclasses import dataclass
import harness

KEPT = 24 * 2**20


def saving(cell, plan):
    """A layer whose forward saves exactly KEPT bytes through ctx and needs as much again in passing."""
    import torch
    from harness.layer import CellLayer

    class Saving(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, h, *weights):
            ctx.save_for_backward(torch.empty(KEPT, dtype=torch.uint8), *weights)
            torch.empty(KEPT, dtype=torch.uint8)
            return h.expand(len(x), *h.shape).clone(), h.clone()

        @staticmethod
        def backward(ctx, dy, dh):
            _, *weights = ctx.saved_tensors
            return None, None, *(torch.zeros_like(weight) for weight in weights)

    class Toy(CellLayer):
        def run(self, x, state):
            y, h = Saving.apply(x, *state, *self.weights().values())
            return y, (h,)

    return Toy(cell, plan)


@dataclass(frozen=True)
class Toy:
    about = harness.About(name="saving", title="toy")
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None

    def text(self, cell):
        return ""

    def build(self, cell, plan):
        return saving(cell, plan)


@harness.hookimpl
def harness_backends():
    return [Toy()]
'''

ASK = """
import json, os, sys
from pathlib import Path
from harness import plugins
from harness.isolation.server import preload
from harness.measures import Context, measure
from harness.settings import LayerShape
from harness.trial import Subject, Trial

folder, questions = Path(sys.argv[1]), json.loads(sys.argv[2])
preload()
catalog = plugins.load([folder / "toys.py"])


def answer(name, cell, backend, length, dtype):
    if name == "no memray":
        sys.modules["memray"] = None
    shape = LayerShape(batch=32, length=length, hidden=64, inputs=2)
    subject = Subject.of(catalog.cells[cell].value)
    trial = Trial(measure="memory", cell=subject, backend=backend, dtype=dtype, shape=shape)
    found = measure(trial, Context(catalog=catalog, folder=folder))
    values = {name: m.value for name, m in found.values.items()}
    plain = {"values": values, "status": found.status, "reason": found.reason, "digest": found.digest()}
    (folder / f"{name}.json").write_text(json.dumps(plain), "utf-8")


for name, question in questions.items():
    pid = os.fork()
    if pid == 0:
        try:
            answer(name, *question)
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.waitpid(pid, 0)
"""

QUESTIONS = {
    f"lstm@{backend} {length}": ("lstm", backend, length, "float32")
    for backend in ("torch", "eager")
    for length in (20, 40, 60)
} | {
    "first": ("gru_reset_before", "eager", 40, "float64"),
    "second": ("gru_reset_before", "eager", 40, "float64"),
    "saving": ("rnn", "saving", 40, "float32"),
    "no memray": ("rnn", "torch", 3, "float32"),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers to all questions, each from a fresh fork of a process on one thread that has computed nothing."""
    folder = tmp_path_factory.mktemp("memory")
    (folder / "toys.py").write_text(TOYS, "utf-8")
    command = [sys.executable, "-c", ASK, str(folder), json.dumps(QUESTIONS)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(1))
    found = {name: folder / f"{name}.json" for name in QUESTIONS}
    assert all(path.exists() for path in found.values()), done.stderr
    return {name: json.loads(path.read_text("utf-8")) for name, path in found.items()}


@pytest.mark.parametrize("backend", ["torch", "eager"])
@pytest.mark.parametrize(
    ("name", "arrays"), [("train_peak_bytes", 2), ("activation_bytes", 2), ("forward_peak_bytes", 1)]
)
def test_an_lstm_costs_at_least_its_states_and_grows_linearly_with_the_length(answers, backend, name, arrays):
    short, middle, long = (answers[f"lstm@{backend} {length}"]["values"][name] for length in (20, 40, 60))
    assert middle - short == pytest.approx(long - middle, rel=0.03)
    states = arrays * 20 * 32 * 64 * 4
    assert middle - short >= states, "y alone, and to train every h and c"
    assert short >= states


def test_two_processes_weigh_the_same_to_the_byte(answers):
    assert answers["first"]["digest"] == answers["second"]["digest"]
    assert answers["first"]["values"]["repeatable"] is True


def test_what_a_layer_saves_for_backward_is_found_to_half_a_percent(answers):
    values = answers["saving"]["values"]
    outputs = (40 + 1) * 32 * 64 * 4
    kept = 24 * 2**20
    assert values["activation_bytes"] == pytest.approx(kept + outputs, rel=0.005)
    assert values["train_peak_bytes"] == pytest.approx(2 * kept, rel=0.005)
    assert values["forward_peak_bytes"] == pytest.approx(2 * kept, rel=0.005)


def test_parameters_and_one_sequences_states_are_counted_from_the_cell(answers):
    for name, itemsize, parameters, states in (
        ("first", 8, 3 * 64 * (2 + 64) + 3 * 64, 64),
        ("lstm@torch 20", 4, 4 * 64 * (2 + 64) + 2 * 4 * 64, 2 * 64),
    ):
        values = answers[name]["values"]
        assert values["parameters"] == parameters
        assert values["parameter_bytes"] == itemsize * parameters
        assert values["state_bytes"] == itemsize * states


def test_without_memray_the_row_is_skipped_with_its_reason(answers):
    assert answers["no memray"]["status"] == "skipped"
    assert "memray" in answers["no memray"]["reason"]


N = 8 * 2**20


def in_a_thread():
    made = []
    thread = threading.Thread(target=lambda: made.append(np.ones(N, np.uint8)))
    thread.start()
    thread.join()
    return made


PATTERNS = {
    "numpy, touched": (lambda: np.ones(N, np.uint8), N, N),
    "numpy, untouched": (lambda: np.empty(N, np.uint8), N, N),
    "torch": (lambda: torch.zeros(N, dtype=torch.uint8), N, N),
    "bytes": (lambda: bytes(N), N, N),
    "another thread": (in_a_thread, N, N),
    "one after the other": (lambda: [len(bytes(N)) for _ in range(3)], N, 0),
    "both at once": (lambda: sum(map(len, [bytes(N), bytes(N)])), 2 * N, 0),
    "nothing": (lambda: None, 0, 0),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_known_allocations_are_weighed_to_half_a_percent(pattern, tmp_path):
    work, peak, kept = PATTERNS[pattern]
    work()
    scales = CpuScales(tmp_path / "allocations.bin")
    assert scales.peak(work) == pytest.approx(peak, rel=0.005, abs=5000)
    assert scales.kept(work) == pytest.approx(kept, rel=0.005, abs=5000)
