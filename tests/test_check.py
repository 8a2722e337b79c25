"""The conformance kit catches every planted fault, and calls nobody wrong who is right."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness import About
from harness.conformance.cases import CASES, PROBE
from harness.errors import HarnessError
from harness.kit.checks import LAYER, TASK
from harness.kit.layers import Pair, check_layer
from harness.kit.result import Outcome, expecting
from harness.kit.tasks import check_task
from harness.kit.telling import as_markdown, lines
from harness.testing import assert_backend_ok, assert_cell_ok, assert_task_ok, checks_of
from harness_cells.lstm import LSTM
from harness_cells.rnn import RNN
from mutants import layers, manners, modules, tasks

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
def caught(shipped):
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


@pytest.mark.parametrize("cell", modules.MADE, ids=lambda cell: cell.about.name)
def test_every_wrong_module_is_caught(cell, catalog):
    assert [r for r in check_layer(Pair(cell=cell, backend=catalog.backend("torch"), cases=FEW)) if r.is_bad]


@pytest.mark.parametrize("kind", tasks.MADE, ids=lambda kind: kind.__name__)
def test_every_wrong_task_is_caught(kind):
    assert [result for result in check_task(kind()) if result.is_bad]


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
    assert found["outputs"].outcome == Outcome.SKIPPED


def test_where_a_cell_has_no_examples_the_kit_says_what_it_cannot_see(catalog):
    class Bare(NoSquash):
        about = About(name="bare", title="no examples")

        def examples(self):
            return ()

    found = {r.check: r for r in check_layer(Pair(cell=Bare(), backend=catalog.backend("eager")))}
    assert found["examples"].outcome == Outcome.SKIPPED
    assert "nothing here can see" in found["examples"].detail


@pytest.mark.parametrize("backend", ["fused", "numpy", "torch", "eager"])
def test_every_right_pair_passes(catalog, shipped, backend):
    for cell in shipped.values():
        chosen = catalog.backend(backend)
        if chosen.why_not(cell, "cpu", "float32") is None:
            results = [*check_layer(Pair(cell=cell, backend=chosen, others=tuple(shipped.values())))]
            assert [r.check for r in results] == [check.name for check in LAYER]
            assert {r.outcome for r in results} == {Outcome.PASSED}, lines(results)


def test_no_cell_from_elsewhere_is_called_wrong(catalog, cells, shipped):
    for name in cells.keys() - shipped.keys():
        results = [*check_layer(Pair(cell=cells[name], backend=catalog.backend("eager"), cases=FEW))]
        assert not [r for r in results if r.outcome == Outcome.FAILED], lines(results)


def test_every_right_task_passes(catalog):
    for entry in catalog.tasks.values():
        results = [*check_task(entry.value)]
        assert [r.check for r in results] == [check.name for check in TASK]
        assert not [r for r in results if r.outcome == Outcome.FAILED], lines(results)


def test_an_expected_failure_that_passes_is_a_failure(caught, catalog):
    pair = Pair(cell=LSTM(), backend=layers.Mutated("noisy"))
    results = expecting(check_layer(pair), {"repeatable": "sums in any order", "seeds are untouched": "draws noise"})
    assert {r.outcome for r in results if r.check in ("repeatable", "seeds are untouched")} == {Outcome.EXPECTED}
    right = Pair(cell=LSTM(), backend=catalog.backend("eager"))
    results = expecting(check_layer(right), {"repeatable": "sums in any order"})
    assert [r.check for r in results if r.is_bad] == ["repeatable"]
    with pytest.raises(HarnessError, match="found 'speed'"):
        expecting(check_task(tasks.Short()), {"speed": "slow"})


def test_authors_assert_with_one_line(catalog):
    assert_backend_ok(catalog.backend("numpy"))
    with pytest.raises(AssertionError, match="wrong_for_one_step: "):
        assert_backend_ok(layers.Mutated("wrong_for_one_step"))
    assert_task_ok(tasks.Short())
    for one in checks_of(RNN()):
        one.assert_ok()
    wrong = checks_of(LSTM(), layers.Mutated("bias_missing"))
    assert [str(one) for one in wrong] == [f"lstm@bias_missing-{c.name}".replace(" ", "_") for c in LAYER]
    (outputs,) = (one for one in wrong if str(one).endswith("-outputs"))
    with pytest.raises(AssertionError, match="likely cause: `bias_hh` is not added"):
        outputs.assert_ok()
    with pytest.raises(AssertionError, match="likely cause: `bias_hh` is not added"):
        assert_cell_ok(LSTM(), layers.Mutated("bias_missing"))


def test_the_documented_checks_are_the_ones_there_are():
    page = (Path(__file__).parents[1] / "docs" / "check.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and line.count("|") == 5]
    told = {tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows}
    for check in (*LAYER, *TASK):
        assert (check.name, str(check.version), check.severity, check.question) in told


def run(*arguments, **more):
    command = [sys.executable, "-m", "harness", "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, **more)


def test_the_verb_tells_what_fails_in_a_file_and_a_crash_in_words(tmp_path):
    plugins = Path(__file__).parent / "plugins"
    done = run(str(plugins / "swapped_gates.py"))
    assert done.returncode == 1
    assert "likely cause: the gates stand in another order: (2, 1, 3, 4)" in " ".join(done.stdout.split())
    crashing = tmp_path / "crashing.py"
    crashing.write_text(CRASHING, "utf-8")
    done = run(str(crashing), "--json")
    assert done.returncode == 1
    (subject,) = json.loads(done.stdout)["subjects"]
    assert "ended by SIGSEGV" in subject[0]["detail"]
    done = run("lstm@numpy", "adding", "--markdown")
    assert done.returncode == 0
    assert done.stdout.count("| passed |") >= len(LAYER) + len(TASK) - 3
    done = run("nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "found 'nothing'" in done.stderr


CRASHING = """
import os, signal
from dataclasses import dataclass
import harness

@dataclass(frozen=True)
class Crashing(harness.Task):
    about = harness.About(name="crashing", title="it crashes")

    def problem(self):
        os.kill(os.getpid(), signal.SIGSEGV)

    def batch(self, rng, size): ...
    def score(self, batch, prediction): ...
    def baseline(self): ...

@harness.hookimpl
def harness_tasks():
    return [Crashing()]
"""


def test_a_page_holds_every_check(catalog):
    page = as_markdown([*check_task(tasks.Short())])
    assert all(f"| {check.name} | {check.version} |" in page for check in TASK)
