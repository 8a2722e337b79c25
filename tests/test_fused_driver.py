"""The driver runs any step: random ones, and cells of forms that no shipped cell has, at any recompute and I."""

import itertools
from dataclasses import dataclass

import pytest
import torch
from hypothesis import Phase, given, settings

import harness
from fenced import both_directions, drawn
from harness.backend import LayerPlan
from harness.ops import TorchOps
from harness.unroll import unroll
from harness_fused import compiler
from harness_fused.kernel import kernel_of
from random_steps import Drawn, steps

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

SHAPES = ((1, 1, 1, 1), (5, 1, 2, 17), (4, 3, 33, 9), (3, 9, 3, 16), (6, 2, 40, 8))


@pytest.fixture(autouse=True)
def quick_to_compile(monkeypatch):
    monkeypatch.setattr(compiler, "FLAGS", (*compiler.FLAGS, "-O1"))


def by_step(cell, kernel, inputs, cotangents):
    """y, the final states and every gradient, by autograd of the cell's own step."""
    x, *rest = leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    count = len(kernel.recurrence.next)
    weights = dict(zip(kernel.shapes, rest[count:], strict=True))
    ys, final = unroll(cell, TorchOps(), weights, x, tuple(rest[:count]))
    outputs = [torch.stack(ys), *final]
    gradients = torch.autograd.grad(outputs, leaves, cotangents, allow_unused=True, materialize_grads=True)
    return [tensor.detach() for tensor in (*outputs, *gradients)]


def agrees(cell):
    for (T, B, I, H), recompute in zip(SHAPES, itertools.cycle((None, 2, 3)), strict=False):
        kernel = kernel_of(cell, LayerPlan(inputs=I, hidden=H, dtype="float64"))
        inputs, cotangents = ([part.double() for part in side] for side in drawn(kernel, (T, B, I, H)))
        inputs[len(kernel.recurrence.next) + 1 :] = [w * H**-0.5 for w in inputs[len(kernel.recurrence.next) + 1 :]]
        found = both_directions(kernel, inputs, cotangents, recompute)
        for a, b in zip(found, by_step(cell, kernel, inputs, cotangents), strict=True):
            assert (a - b).abs().max() <= 1e-9 * b.abs().max().clamp_min(1), (cell, (T, B, I, H), recompute)


@settings(max_examples=6, derandomize=True, database=None, phases=[Phase.generate])
@given(step=steps)
def test_random_steps_agree_with_autograd(step):
    agrees(Drawn(step))


@pytest.mark.parametrize("cell", ["peephole_lstm", "cornn", "indrnn", "rhn", "lem", "mgu2"])
def test_vectors_two_states_no_product_and_three_phases_agree_with_autograd(cells, cell):
    agrees(cells[cell])


@dataclass(frozen=True)
class Twice(harness.Cell):
    """a = tanh(W x + U h + b + b), h ← a³ + a², the author's names being words of C++ and of the driver"""

    about = harness.About(name="twice", title="A bias added twice", paper="none")

    def parameters(self, I, H):
        return {"W": (H, I), "U": (H, H), "b": (H,)}

    def step(self, ops, p, x, state):
        REAL = ops.tanh(x @ p["W"].T + state[0] @ p["U"].T + p["b"] + p["b"])
        char32_t = REAL * REAL
        return (REAL * char32_t + char32_t,)


def test_a_bias_that_is_added_twice_has_twice_the_gradient_and_names_are_free():
    agrees(Twice())
