"""Symbolic gradients agree with autograd: operation by operation at their kinks, and on random steps."""

import shutil
from dataclasses import dataclass

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import harness
from random_steps import OPERATIONS, Drawn, steps

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")


@settings(max_examples=3, derandomize=True, database=None, phases=[Phase.generate])
@given(drawn=st.lists(steps, min_size=16, max_size=16, unique=True))
def test_random_steps_agree_with_autograd(plain, tmp_path_factory, drawn):
    agrees(plain, tmp_path_factory, {f"drawn_{k}": Drawn(step) for k, step in enumerate(drawn)})


def agrees(plain, folders, cells):
    library = plain.compile_plain(cells, folders.mktemp("kernels"))
    for name, cell in cells.items():
        question = plain.Question(cell, T=3, B=2, I=2, H=3)
        found = plain.by_kernel(question, getattr(library, f"run_{name}"))
        distance = plain.by_autograd(question).distance(found)
        assert max(distance.values()) < 1e-9, (cell, distance)


def test_every_operation_agrees_with_autograd(plain, tmp_path_factory):
    """Each alone, on a product and on a state."""
    cells = {f"alone_{k}": Drawn((("+", 0, 4), (name, 6, 1))) for k, name in enumerate(OPERATIONS)}
    agrees(plain, tmp_path_factory, cells)


KINKS = {
    "abs": lambda ops, zero, a, b: ops.abs(zero * a) + a,
    "relu": lambda ops, zero, a, b: ops.relu(zero * a) + a,
    "maximum": lambda ops, zero, a, b: ops.maximum(zero + b, zero * a + b),
    "minimum": lambda ops, zero, a, b: ops.minimum(zero + b, zero * a + b),
    "maximum of a number": lambda ops, zero, a, b: ops.maximum(zero * a, 0) + ops.maximum(0.0, zero + b * zero),
    "power of nothing": lambda ops, zero, a, b: (zero + a * a) ** (zero * b),
    "nothing to a power": lambda ops, zero, a, b: (zero * a) ** (b * b + 2),
    "square of nothing": lambda ops, zero, a, b: (zero + a * zero) ** 2 + (zero * a) ** 2.5,
}


@dataclass(frozen=True)
class Kinked(harness.Cell):
    """Every operation with a kink, exactly at it: relu of the negative is 0, and equal values tie."""

    about = harness.About(name="kinked", title="Kinks", paper="none")
    kink: str

    def parameters(self, I, H):
        return {"W": (H, I), "U": (H, H)}

    def step(self, ops, p, x, state):
        (h,) = state
        zero = ops.relu(-ops.exp(h))
        return (KINKS[self.kink](ops, zero, x @ p["W"].T, h @ p["U"].T),)


def test_derivatives_at_kinks_and_ties_are_those_of_torch(plain, tmp_path_factory):
    agrees(plain, tmp_path_factory, {f"kink_{k}": Kinked(name) for k, name in enumerate(KINKS)})
