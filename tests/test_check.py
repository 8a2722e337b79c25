"""The conformance kit calls nobody wrong who is right, and tells authors what it finds in every way it promises."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.conformance.cases import CASES, PROBE
from harness.errors import HarnessError
from harness.kit.checks import LAYER, TASK
from harness.kit.layers import Pair, check_layer
from harness.kit.result import Outcome, expecting
from harness.kit.tasks import check_task
from harness.kit.telling import as_markdown, lines
from harness.plugins import load
from harness.testing import assert_backend_ok, assert_cell_ok, assert_task_ok, checks_of
from harness_cells.lstm import LSTM
from harness_cells.rnn import RNN
from mutants import layers, manners, tasks

pytestmark = pytest.mark.usefixtures("one_thread")
FEW = (CASES[0], CASES[2], CASES[3], PROBE)
"""Enough of the shapes for cells from elsewhere."""


@pytest.fixture(scope="module")
def shipped(catalog):
    return {name: entry.value for name, entry in catalog.cells.items()}


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


def test_an_expected_failure_that_passes_is_a_failure(catalog):
    pair = Pair(cell=LSTM(), backend=layers.Mutated(manners.noisy.__name__))
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


STEP = """
from dataclasses import dataclass

import torch

import harness


@dataclass(frozen=True)
class Mine(harness.Cell):
    about = harness.About(name="mine", title="mine")

    def states(self, I, H):
        return {{"h": (H,), "c": (H,)}}

    def parameters(self, I, H):
        return {{"w": (H, I), "u": ({rows}, H)}}

    def step(self, ops, p, x, state):
        h, c = state
        c = {c} + ops.tanh(x @ p["w"].T + h @ p["u"].T)
        return {returned}


@harness.hookimpl
def harness_cells():
    return [Mine()]
"""


@pytest.mark.parametrize(
    ("changed", "check", "said"),
    [
        (
            {"rows": "2 * H"},
            "vocabulary",
            "shapes that broadcast, found [('B', 3), ('B', 6)], in mine.py, line 21: c = ",
        ),
        ({"c": "0 * c"}, "the state matters", "every output is the same for another initial c"),
        ({"c": "ops.gelu(c)"}, "vocabulary", "the step uses ops.gelu, in mine.py, line 21: c = ops.gelu(c)"),
        ({"c": "ops.gelu(c)"}, "vocabulary", "and of ops: sigmoid tanh relu exp"),
        ({"c": "torch.relu(c)"}, "vocabulary", "the step uses torch.relu, in mine.py, line 21"),
        ({"returned": "c"}, "vocabulary", "a tuple of states, found one array (hint: return (h,))"),
        ({"returned": "None"}, "vocabulary", "a tuple of states, found NoneType (hint: return (h,))"),
        ({"returned": "(c,)"}, "vocabulary", "returns states of shapes [('B', 3), ('B', 3)] (h, c), found [('B', 3)]"),
        ({"c": "c[5]['gate']"}, "vocabulary", "the index 5"),
        ({"c": "p['v'] * c"}, "runs at all", "KeyError: 'v', in mine.py, line 21: c = p['v'] * c"),
    ],
)
def test_a_mistake_in_a_step_is_told_with_its_line(catalog, tmp_path, changed, check, said):
    file = tmp_path / "mine.py"
    file.write_text(STEP.format(**{"rows": "H", "c": "0.5 * c", "returned": "(c, c)"} | changed), "utf-8")
    (cell,) = (entry.value for entry in load([file]).cells.values() if entry.plugin.path == file)
    (bad,) = (r for r in check_layer(Pair(cell=cell, backend=catalog.backend("eager"), cases=FEW)) if r.is_bad)
    assert bad.check == check
    assert said in bad.detail


def test_a_step_that_raises_leaves_no_verdict_to_a_traceback(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(STEP.format(rows="H", c="p['v'] * c", returned="(c, c)"), "utf-8")
    done = run(str(file))
    assert done.returncode == 1, done.stderr
    assert "in mine.py, line 21" in done.stdout
    assert "mine@fused: no such pair: asked whether it can run, it raised KeyError" in done.stdout


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
