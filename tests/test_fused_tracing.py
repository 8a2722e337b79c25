"""A step is traced into the fewest accumulators and phases, or refused in the author's words."""

import subprocess
import sys
from dataclasses import dataclass

import pytest

import harness
from harness_fused.differentiate import differentiate
from harness_fused.recurrence import Bias, Matrix, Term, X
from harness_fused.storing import store
from harness_fused.tracing import trace, why_not

# cell: accumulators, phases, operands read in the loop, vectors, rows kept for training and between phases
NORMAL_FORMS = {
    "rnn": (1, 1, 1, 0, 0, 0),
    "lstm": (4, 1, 1, 0, 4, 0),
    "gru": (4, 1, 1, 0, 4, 0),
    "gru_reset_before": (3, 2, 2, 0, 3, 1),
    "mgu": (2, 2, 2, 0, 2, 1),
    "mgu2": (2, 2, 2, 0, 2, 1),
    "janet": (2, 1, 1, 0, 3, 0),
    "ugrnn": (2, 1, 1, 0, 2, 0),
    "ligru": (2, 1, 1, 0, 2, 0),
    "peephole_lstm": (4, 1, 1, 3, 4, 0),
    "cornn": (1, 1, 2, 0, 1, 0),
    "lem": (4, 2, 2, 0, 5, 2),
    "indrnn": (1, 1, 0, 1, 0, 0),
    "rhn": (6, 3, 3, 0, 8, 2),
}


def test_normal_forms(cells):
    found = {}
    for name, cell in cells.items():
        r = trace(cell, 3, 5)
        rows = store(r, differentiate(r))
        counts = (len(r.accumulators), r.phases, len(r.operands), len(r.vectors), len(rows.kept), rows.carried)
        found[name] = counts
    assert found == NORMAL_FORMS


def test_an_accumulator_holds_every_product_and_bias_that_is_only_a_summand(cells):
    i = trace(cells["lstm"], 3, 5).accumulators[0]
    assert i.terms == (
        Term(X, Matrix("weight_ih", False, (0, 5), (0, 3))),
        Term(0, Matrix("weight_hh", False, (0, 5), (0, 5))),
    )
    assert i.biases == (Bias("bias_ih", (0, 5)), Bias("bias_hh", (0, 5)))


def test_a_product_with_the_untransposed_parameter_is_marked():
    r = trace(Step(lambda ops, p, x, h: x @ p["W"].T + h @ p["U"] + (p["b"] + p["v"])), 3, 5)
    assert r.accumulators[0].terms[1] == Term(0, Matrix("U", True, (0, 5), (0, 5)))
    assert [bias.parameter for bias in r.accumulators[0].biases] == ["b", "v"]
    assert not r.vectors


def test_joined_arrays_and_weights_come_apart_again(cells):
    first, second = trace(cells["ugrnn"], 3, 5).accumulators
    assert [(term.operand, term.matrix.parameter) for term in first.terms] == [(X, "weight_x"), (0, "weight_h")]
    assert [term.matrix.rows for term in second.terms] == [(5, 10), (5, 10)]


def test_a_value_read_by_products_of_two_phases_is_two_operands():
    r = trace(Step(lambda ops, p, x, h: ops.tanh((ops.tanh(h @ p["U"]) + x @ p["W"].T) @ p["V"] + h @ p["V"])), 3, 5)
    assert [(operand.phase, operand.state) for operand in r.operands] == [(0, 0), (1, 0), (1, None)]


def test_a_sum_with_another_reader_stays_an_accumulator_of_its_own():
    r = trace(Step(lambda ops, p, x, h: (s := x @ p["W"].T) * ops.tanh(s + h @ p["U"])), 3, 5)
    assert [len(accumulator.terms) for accumulator in r.accumulators] == [1, 1]


@dataclass(frozen=True)
class Step(harness.Cell):
    """A step by its new state, with a few parameters to choose from."""

    about = harness.About(name="step", title="A step", paper="none")
    new: object

    def parameters(self, I, H):
        square = dict.fromkeys(("U", "V"), (H, H))
        return {"W": (H, I), "b": (H,), "v": (H,), **square, "narrow": (2, H), "wide": (H, 2), "long": (2 * H, H)}

    def step(self, ops, p, x, state):
        new = self.new(ops, p, x, *state)
        return new if isinstance(new, tuple) else (new,)


REFUSED = {
    "the input x in `*`": lambda ops, p, x, h: (x * x) @ p["W"].T + h,
    "the input x in `ops.tanh`": lambda ops, p, x, h: ops.tanh(x) @ p["W"].T + h,
    "the matrix U in `-`": lambda ops, p, x, h: h @ (p["U"] - p["U"].T),
    "the matrix U in `*`": lambda ops, p, x, h: h @ (0.5 * p["U"]),
    "`@` with narrow makes an array of width 2": lambda ops, p, x, h: (h @ p["narrow"].T) @ p["wide"].T,
    "U on the left of `@`": lambda ops, p, x, h: h @ (p["U"] @ p["V"]),
    "the slice [..., 0:2] of an array of width 5": lambda ops, p, x, h: ops.concat([h[..., :2], h[..., 2:]]),
    "the slice [..., 0:2] of an array of width 3": lambda ops, p, x, h: x[..., :2] @ p["wide"].T + h,
    "the number inf": lambda ops, p, x, h: ops.where(h > 0, h @ p["U"], float("inf")),
    "no product": lambda ops, p, x, h: ops.tanh(p["v"] * h + p["b"]),
    "ops.sin": lambda ops, p, x, h: ops.sin(h @ p["U"]),
    "`.mean`": lambda ops, p, x, h: h - h.mean(),
    "a branch on data": lambda ops, p, x, h: h @ p["U"] if h > 0 else h,
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_fused_is_named(words):
    assert words in why_not(Step(REFUSED[words]))


def test_a_state_or_parameter_of_another_shape_is_named():
    @dataclass(frozen=True)
    class Odd(Step):
        def states(self, I, H):
            return {"h": (H,), "memory": (H, H)}

    assert "the state 'memory' has the shape (5, 5)" in why_not(Odd(lambda ops, p, x, *state: state))

    @dataclass(frozen=True)
    class Scalar(Step):
        def parameters(self, I, H):
            return {"U": (H, H), "nu": (1,)}

    assert "the parameter 'nu' has the shape (1,)" in why_not(Scalar(lambda ops, p, x, h: p["nu"] * (h @ p["U"])))


def test_tracing_imports_neither_torch_nor_numpy(mgu_file):
    code = (
        "import sys; from mgu import MGU; from harness_fused.source import text_of; text_of(MGU());"
        "assert not {'torch', 'numpy'} & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=mgu_file.parent).returncode == 0
