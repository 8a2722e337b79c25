"""The conformance kit catches every planted fault, says where and why, and says what it cannot see."""

import re
from dataclasses import dataclass, replace

import pytest

from harness import About
from harness.conformance.cases import CASES, PROBE
from harness.conformance.equation import check_example
from harness.kit.layers import Pair, check_layer
from harness.kit.result import Outcome
from harness.kit.tasks import check_task
from harness.kit.telling import lines
from harness.ops import NumpyOps
from harness.unroll import unroll
from harness_cells.lstm import LSTM
from harness_cells.rnn import RNN
from mutants import layers, manners, modules, tasks

pytestmark = pytest.mark.usefixtures("one_thread")
FEW, LONG = (CASES[0], CASES[2], CASES[3], PROBE), CASES[8]
"""Enough of the shapes for the faults planted here, and one that a single fault needs."""
HINTS = {
    "gates_swapped": "another order: (2, 1, 3, 4)",
    "gru_other_update_convention": "gate 2 of 3 is the other way round",
    "bias_missing": "`bias_hh` is not added",
    "all_biases_missing": "no bias is added",
    "recurrent_weight_transposed": "`weight_hh` is transposed",
    "initial_state_ignored": "the initial state is not used",
    "state_not_carried": "not handed on",
    "runs_backwards": "backwards",
    "final_state_of_the_step_before": "the step before the last",
    "final_states_swapped": "another order",
    "state_detached": "detached between the steps",
    "bias_gets_no_gradient": "no gradient reaches bias_ih",
    "gradient_of_bias_doubled": "2 times what it should be",
}


@pytest.fixture(scope="module")
def shipped(catalog):
    return {name: entry.value for name, entry in catalog.cells.items()}


@pytest.fixture(scope="module")
def caught(shipped, one_thread):
    """By mutant, its bad results."""
    found = {}
    for name, (cell, _) in layers.MADE.items():
        cases = (*FEW, LONG) if name.startswith("long") else FEW
        pair = Pair(cell=shipped[cell], backend=layers.Mutated(name), others=tuple(shipped.values()), cases=cases)
        found[name] = [result for result in check_layer(pair) if result.is_bad]
    return found


@pytest.mark.parametrize("name", layers.MADE)
def test_every_wrong_layer_is_caught(caught, name):
    assert caught[name], f"{name} lives"


@pytest.mark.parametrize("name", HINTS)
def test_the_likely_cause_is_named(caught, name):
    assert any(HINTS[name] in result.hint for result in caught[name]), [r.hint for r in caught[name]]


def test_a_failure_is_shown_at_the_smallest_shape_with_its_worst_element(caught):
    by_check = {result.check: result for result in caught["wrong_beyond_a_width"]}
    assert by_check["outputs"].where == "T1 B1 I1 H17"
    assert by_check["outputs"].detail.startswith("y[0, 0, 16]: wanted ")


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("batch_rows_mixed", "batch rows are independent"),
        ("future_seen", "the future never changes the past"),
        ("state_not_carried", "chunks equal the whole"),
        ("float64_by_way_of_float32", "float64"),
        ("noisy", "repeatable"),
        ("drops_out_in_training", "train and eval"),
    ],
)
def test_whatever_compares_numbers_shows_the_worst_element(caught, name, check):
    (failed,) = (result for result in caught[name] if result.check == check)
    assert re.search(r"(y|gradient of (x|initial c))\[[\d, ]+\]: wanted \S+, found \S+", failed.detail), failed.detail


@pytest.mark.parametrize("cell", modules.MADE, ids=lambda cell: cell.about.name)
def test_every_wrong_module_is_caught(cell, catalog):
    assert [r for r in check_layer(Pair(cell=cell, backend=catalog.backend("torch"), cases=FEW)) if r.is_bad]


@pytest.mark.parametrize("kind", tasks.MADE, ids=lambda kind: kind.__name__)
def test_every_wrong_task_is_caught(kind):
    assert [result for result in check_task(kind()) if result.is_bad]


@pytest.mark.parametrize("kind", tasks.SHUFFLED, ids=lambda kind: kind.__name__)
def test_targets_of_other_examples_are_warned_of(kind):
    warned = [result.check for result in check_task(kind()) if result.outcome == Outcome.FAILED and not result.is_bad]
    assert warned == ["answers belong to their questions"]


def test_nobody_is_failed_for_targets_of_which_nothing_can_be_seen():
    assert not [result for result in check_task(tasks.Parity()) if result.is_bad]


def test_a_right_task_with_data_of_its_own_passes():
    bad = [r for r in check_task(tasks.Finite()) if r.is_bad and r.check != "the baseline has no memory"]
    assert not bad, lines(bad)


def test_at_least_forty_mutants_are_tried():
    assert {manners.noisy.__name__, "bias_missing"} < layers.MADE.keys()
    assert len(layers.MADE) + len(tasks.MADE) + len(modules.MADE) + len(WRONG_EQUATIONS) >= 40


@dataclass(frozen=True)
class OtherForgetGate(LSTM):
    """c = (1 − f) c + i g."""

    def step(self, ops, p, x, state):
        h, c = state
        a = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        i, f, g, o = ops.split(a, 4)
        c = ops.sigmoid(-f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c


@dataclass(frozen=True)
class OldState(LSTM):
    """The output sees the old c."""

    def step(self, ops, p, x, state):
        _, c = state
        h, new = super().step(ops, p, x, state)
        return h * ops.tanh(c), new


@dataclass(frozen=True)
class NoSquash(RNN):
    """No tanh."""

    def step(self, ops, p, x, state):
        return (x @ p["weight_ih"].T + p["bias_ih"] + state[0] @ p["weight_hh"].T + p["bias_hh"],)


WRONG_EQUATIONS = (OtherForgetGate, OldState, NoSquash)


@pytest.mark.parametrize("kind", WRONG_EQUATIONS, ids=lambda kind: kind.__name__)
def test_a_wrong_equation_is_seen_through_the_examples(kind, catalog):
    found = {r.check: r for r in check_layer(Pair(cell=kind(), backend=catalog.backend("eager")))}
    assert found["examples"].outcome == Outcome.FAILED
    assert found["examples"].detail.startswith("y[")
    assert found["outputs"].outcome == Outcome.SKIPPED


def test_an_example_whose_final_state_is_not_a_number_is_missed():
    class Lost(LSTM):
        def step(self, ops, p, x, state):
            h, c = super().step(ops, p, x, state)
            return h, c + ops.log(-1.0 - ops.abs(c))

    example = next(iter(LSTM().examples()))
    (h,), final = unroll(LSTM(), NumpyOps(), example.weights, example.x[:1], example.state)
    one_step = replace(example, x=example.x[:1], y=h[None], final=final)
    assert check_example(LSTM(), one_step, 1).passed
    assert not check_example(Lost(), one_step, 1).passed


def test_where_a_cell_has_no_examples_the_kit_says_what_it_cannot_see(catalog):
    class Bare(NoSquash):
        about = About(name="bare", title="no examples")

        def examples(self):
            return ()

    found = {r.check: r for r in check_layer(Pair(cell=Bare(), backend=catalog.backend("eager")))}
    assert found["examples"].outcome == Outcome.SKIPPED
    assert "nothing here can see" in found["examples"].detail
