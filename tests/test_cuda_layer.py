"""Fused layers on CUDA, rehearsed in the emulation: modules like all others; launches a step at a time are recorded."""

import copy
from functools import partial

import pytest
import torch

from harness.backend import LayerPlan
from harness.errors import HarnessError
from harness_cells import GRU, LSTM, RNN, GRUResetBefore
from harness_fused import compiler
from harness_fused.check.place import SMALL_GPU, Place, Routed
from harness_fused.cuda import stretches
from harness_fused.cuda.machine import Emulated
from harness_fused.cuda.plan import plan
from harness_fused.cuda.runner import CudaRunner
from harness_fused.kernel import kernel_of
from harness_fused.layer import FusedLayer

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

CELLS = {"rnn": RNN(), "lstm": LSTM(), "gru": GRU(), "gru_reset_before": GRUResetBefore()}
HERE = Place("cpu", Emulated(SMALL_GPU))


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(cell, route, H=17, dtype="float32"):
    layer = Routed(HERE, route).build(CELLS[cell], LayerPlan(inputs=3, hidden=H, dtype=dtype))
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.uniform_(-0.4, 0.4)
    return layer


def outcome(layer, x):
    x = x.clone().requires_grad_()
    y, final = layer(x)
    return [y, *final, *torch.autograd.grad((y * y).sum() + sum(map(torch.sum, final)), [x, *layer.parameters()])]


@pytest.mark.parametrize("cell", ["lstm", "gru_reset_before"])
def test_stretches_played_again_compute_what_the_whole_does(cell, monkeypatch):
    x = torch.randn(8, 5, 3, generator=torch.Generator().manual_seed(1))
    wanted = outcome(build(cell, "steps"), x)
    monkeypatch.setattr(stretches, "LONGEST", 3)  # 3, 3 and 2 steps
    layer = build(cell, "steps")
    outcome(layer, x + 1)  # recorded with other numbers
    for found, one in zip(outcome(layer, x), wanted, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-5, atol=1e-6)


def test_where_nothing_can_be_recorded_launches_go_one_by_one(monkeypatch):
    x = torch.randn(8, 5, 3, generator=torch.Generator().manual_seed(1))
    wanted = outcome(build("gru", "steps"), x)
    monkeypatch.setattr(HERE.machine, "records", False)
    layer = build("gru", "steps")
    for found, one in zip(outcome(layer, x), wanted, strict=True):
        torch.testing.assert_close(found, one, rtol=1e-5, atol=1e-6)
    assert not layer.runner._stretches._recordings
    assert layer.note.startswith("steps, asked for")


def test_few_recordings_are_kept_and_none_is_copied():
    layer = build("rnn", "steps", H=5)
    other = copy.deepcopy(layer)
    for batch in range(1, stretches.MOST + 3):
        x = torch.randn(2, batch, 3, generator=torch.Generator().manual_seed(batch))
        with torch.no_grad():
            assert torch.equal(layer(x)[0], other(x)[0])
    kept, others = layer.runner._stretches._recordings, other.runner._stretches._recordings
    assert len(kept) == len(others) == stretches.MOST
    assert not {id(one) for one in kept.values()} & {id(one) for one in others.values()}


def test_recordings_made_in_inference_mode_serve_training():
    layer, x = build("rnn", "steps", H=5), torch.ones(3, 2, 3)
    with torch.inference_mode():
        first = layer(x)[0].clone()
    assert torch.equal(layer(x.requires_grad_())[0], first)
    outcome(layer, x.detach())


@pytest.mark.parametrize("route", ["block", "steps"])
def test_autocast_changes_nothing(route):
    layer, x = build("gru", route), torch.randn(4, 2, 3, generator=torch.Generator().manual_seed(1))
    wanted = outcome(layer, x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = outcome(layer, x)
    assert all(torch.equal(one, other) for one, other in zip(found, wanted, strict=True))


def test_a_layer_says_which_way_it_ran_and_why():
    layer = build("gru", "steps", H=5)
    assert layer.note == ""
    layer(torch.ones(2, 2, 3))
    assert layer.note.startswith("steps in CUDA graphs of up to 128 steps, asked for; predicted cycles")
    free = build("gru", None, H=5)
    free(torch.ones(2, 2, 3))
    assert free.note.startswith("block, least; ")


def test_a_route_that_cannot_run_is_refused_and_not_replaced():
    kernel = kernel_of(CELLS["rnn"], LayerPlan(inputs=3, hidden=8))
    choose = partial(plan, route="grid")
    layer = FusedLayer(CELLS["rnn"], LayerPlan(inputs=3, hidden=8), CudaRunner(kernel, "float32", HERE.machine, choose))
    with pytest.raises(HarnessError, match="the route grid cannot run H = 8"):
        layer(torch.ones(2, 2, 3))


def test_a_layer_of_one_format_refuses_tensors_of_another():
    with pytest.raises(HarnessError, match="bfloat16"):
        build("rnn", "block", dtype="bfloat16")(torch.ones(2, 2, 3))
