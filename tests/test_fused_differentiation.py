"""Symbolic gradients agree with autograd: operation by operation at their kinks, and on random steps."""

import shutil
from dataclasses import dataclass

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import harness

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")

OPERATIONS = {
    "sigmoid": lambda ops, a, b: ops.sigmoid(a),
    "tanh": lambda ops, a, b: ops.tanh(a),
    "relu": lambda ops, a, b: ops.relu(a),
    "exp": lambda ops, a, b: ops.exp(ops.tanh(a)),
    "log": lambda ops, a, b: ops.log(ops.abs(a) + 0.5),
    "softplus": lambda ops, a, b: ops.softplus(a),
    "sqrt": lambda ops, a, b: ops.sqrt(ops.abs(a) + 0.5),
    "abs": lambda ops, a, b: ops.abs(a),
    "maximum": lambda ops, a, b: ops.maximum(a, b),
    "minimum": lambda ops, a, b: ops.minimum(a, b),
    "at least 0": lambda ops, a, b: ops.maximum(a, 0.0),
    "at most 0": lambda ops, a, b: ops.minimum(0, a),
    "where <": lambda ops, a, b: ops.where(a < b, a, b * 2),
    "where <=": lambda ops, a, b: ops.where(a <= b, b - a, 1.0),
    "where >": lambda ops, a, b: ops.where(a > 0, a * b, a),
    "where >=": lambda ops, a, b: ops.where(a >= 0.1, b, a),
    "where ==": lambda ops, a, b: ops.where(ops.relu(a) == 0, b, a),
    "where !=": lambda ops, a, b: ops.where(ops.relu(a) != ops.relu(b), b, a),
    "+": lambda ops, a, b: a + b,
    "-": lambda ops, a, b: a - b,
    "*": lambda ops, a, b: a * ops.tanh(b),
    "/": lambda ops, a, b: a / (1 + b * b),
    "number /": lambda ops, a, b: 2 / (1 + ops.abs(a)),
    "neg": lambda ops, a, b: -a,
    "scale": lambda ops, a, b: 0.5 * a - 0.25,
    "from 1": lambda ops, a, b: 1 - a,
    "** 2": lambda ops, a, b: ops.tanh(a) ** 2,
    "** 7": lambda ops, a, b: ops.tanh(a) ** 7,
    "** -1": lambda ops, a, b: (ops.softplus(a) + 1) ** -1,
    "** 1.5": lambda ops, a, b: ops.sigmoid(a) ** 1.5,
    "** array": lambda ops, a, b: (ops.abs(a) + 0.5) ** ops.tanh(b),
    "number **": lambda ops, a, b: 1.5 ** ops.tanh(a),
}
PRODUCTS = ("U0", "U1", "U2")


@dataclass(frozen=True)
class Drawn(harness.Cell):
    """A step of random instructions (operation, first, second), each making a value from earlier ones."""

    about = harness.About(name="drawn", title="A random step", paper="none")
    instructions: tuple[tuple[str, int, int], ...]

    def states(self, I, H):
        return {"h": (H,), "c": (H,)}

    def parameters(self, I, H):
        return {"W": (2 * H, I), "b": (2 * H,), "v": (H,), **dict.fromkeys(PRODUCTS, (H, H))}

    def step(self, ops, p, x, state):
        first, second = ops.split(x @ p["W"].T + p["b"], 2)
        values = [*state, first, p["v"] * state[1], state[0] @ p["U0"].T, first + state[1] @ p["U1"]]
        for operation, a, b in self.instructions:
            one, other = values[a % len(values)], values[b % len(values)]
            values.append(one @ p[operation].T if operation in PRODUCTS else OPERATIONS[operation](ops, one, other))
        return ops.tanh(values[-1] + second), ops.tanh(values[-2] - values[-3])


names = st.sampled_from([*OPERATIONS, *PRODUCTS])
places = st.integers(0, 99)
steps = st.lists(st.tuples(names, places, places), min_size=2, max_size=9).map(tuple)


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
