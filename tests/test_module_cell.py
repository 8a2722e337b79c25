"""Modules as cells without an equation: any nesting of states, the gate without a reference, runs that say so."""

import textwrap

import pytest
import torch
from torch import nn

import harness
from harness import seeds, store
from harness.backend import LayerPlan
from harness.conformance import examine
from harness.errors import HarnessError
from harness.layer import copy_weights
from harness.plugins import load
from harness.record import Status

BACKENDS = {name: entry.value for name, entry in load().backends.items()}


class Loop(nn.Module):
    """Two cells of torch's in a Python loop; its state is a dictionary, one part with the batch in the middle."""

    def __init__(self, I, H):
        super().__init__()
        self.lower, self.upper = nn.LSTMCell(I, H), nn.GRUCell(H, H)

    def forward(self, x, state=None):
        B, H = x.shape[1], self.upper.hidden_size
        state = state or {"lower": x.new_zeros(2, B, H), "upper": x.new_zeros(B, H)}
        (h, c), top = state["lower"].unbind(0), state["upper"]
        outputs = []
        for row in x:
            h, c = self.lower(row, (h, c))
            top = self.upper(h, top)
            outputs.append(top)
        return torch.stack(outputs), {"lower": torch.stack([h, c]), "upper": top}


def build(cell, I=3, H=5, dtype="float32"):
    layer = BACKENDS["torch"].build(cell, LayerPlan(inputs=I, hidden=H, dtype=dtype))
    copy_weights(layer, cell.initialise(seeds.stream(0, "test"), I, H))
    return layer


def test_states_of_any_nesting_are_found():
    assert harness.module_cell("loop", Loop).states(3, 5) == {"state_1": (2, 5), "state_2": (5,)}
    assert harness.module_cell("deep", lambda I, H: nn.LSTM(I, H, 3)).states(3, 5) == {
        "state_1": (3, 5),
        "state_2": (3, 5),
    }


def test_a_layer_computes_what_its_module_does():
    cell = harness.module_cell("loop", Loop)
    layer, module = build(cell), Loop(3, 5)
    module.load_state_dict(dict(layer.named_parameters()))
    x = torch.randn(7, 4, 3)
    y, (lower, upper) = layer(x)
    wanted, state = module(x)
    assert torch.equal(y, wanted)
    assert torch.equal(lower, state["lower"].movedim(1, 0))
    again, _ = layer(x, (lower, upper))
    assert torch.equal(again, module(x, state)[0])


def test_initial_weights_are_the_modules_own_and_depend_on_the_seed_alone():
    cell, before = harness.module_cell("loop", Loop), torch.get_rng_state()
    one, same, other = (cell.initialise(seeds.stream(seed, "test"), 3, 5) for seed in (0, 0, 1))
    assert all((one[name] == same[name]).all() for name in one)
    assert any((one[name] != other[name]).any() for name in one)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_a_right_module_passes_every_check_that_needs_no_reference(dtype):
    report = examine(harness.module_cell("loop", Loop), BACKENDS["torch"], "cpu", dtype)
    assert report.passed, report.reason
    assert not report.equation
    assert {check.name for check in report.checks} >= {"derivative", "chunks equal the whole", "outputs alias nothing"}


class Forgetful(Loop):
    def forward(self, x, state=None):
        return super().forward(x)


class Mixing(Loop):
    def forward(self, x, state=None):
        return super().forward(x + x.mean(1, keepdim=True), state)


class Peeking(Loop):
    def forward(self, x, state=None):
        return super().forward(x + x.flip(0), state)


class Detached(Loop):
    def forward(self, x, state=None):
        y, state = super().forward(x, state)
        return y + (self.lower.weight_hh.detach() ** 2).sum(), state


class Coarse(Loop):
    def forward(self, x, state=None):
        return super().forward(x.bfloat16().to(x.dtype) if x.dtype == torch.float32 else x, state)


class Random(Loop):
    def forward(self, x, state=None):
        return super().forward(nn.functional.dropout(x), state)


@pytest.mark.parametrize("module", [Forgetful, Mixing, Peeking, Detached, Coarse, Random])
def test_a_wrong_module_is_rejected(module):
    assert not examine(harness.module_cell("wrong", module), BACKENDS["torch"], "cpu", "float32").passed


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda I, H: None, "wanted a torch.nn.Module"),
        (nn.Linear, "takes|argument|state"),
        (lambda I, H: nn.LSTM(I, H, bidirectional=True), "wanted y of shape"),
    ],
)
def test_what_is_not_called_as_it_should_be_is_refused_in_words(make, words):
    with pytest.raises((HarnessError, TypeError), match=words):
        harness.module_cell("odd", make).states(3, 5)


def test_a_module_has_rows_beside_cells_and_other_backends_say_why_not(command, grid, tmp_path):
    (tmp_path / "mine.py").write_text(
        textwrap.dedent("""
            import harness

            def make(I, H):
                from torch import nn
                return nn.GRU(I, H, num_layers=2)

            @harness.hookimpl
            def harness_cells():
                return [harness.module_cell("mine", make)]
        """)
    )
    arguments = ("--plugin", "mine.py", "--cells", "mine@torch,rnn@torch")
    done = command("run", "--grid", "small.toml", *arguments)
    assert done.returncode == 0, done.stderr
    records = store.read_run(tmp_path / "results").records.values()
    assert {r.status for r in records if r.trial.cell.name == "mine"} == {Status.OK}
    assert "no equation" in done.stdout
    assert "mine is a module and has no equation" in command("list", "backends", "--plugin", "mine.py").stdout
