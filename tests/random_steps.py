"""Random steps, built from every operation that a step may use."""

from dataclasses import dataclass

from hypothesis import strategies as st

import harness

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
