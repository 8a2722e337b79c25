"""The gate lets every pair of the catalog through, and no cell that is wrong."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import harness
from harness import plugins
from harness.conformance import Check, GateReport, examine
from harness.conformance.cases import CASES, draw
from harness.conformance.reference import Quantity, reference
from harness.conformance.tolerance import deviation
from harness.measures import Context
from harness.measures.conformance import measure
from harness.ops import NumpyOps, TorchOps
from harness.record import Status
from harness.spelling import parse
from harness.trial import Subject, Trial

CATALOG = plugins.load()
PAIRS = [
    (cell, backend)
    for cell, cells in CATALOG.cells.items()
    for backend, backends in CATALOG.backends.items()
    if backends.value.why_not(cells.value, "cpu", "float32") is None
]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """As a trial has it; on shapes as small as the gate's more threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("cell", "backend"), PAIRS, ids=lambda name: name)
def test_every_pair_of_the_catalog_passes_in_float32(cell, backend):
    report = examine(CATALOG.cells[cell].value, CATALOG.backend(backend), "cpu", "float32")
    assert report.passed, report.reason
    assert report.shapes == len(CASES) <= 12
    assert report.examples >= 1
    assert 0 < report.worst <= 1
    assert 0 < report.worst_parameter_gradient <= 5e-6


@pytest.mark.parametrize(
    ("cell", "backend"), [pair for pair in PAIRS if pair[0] in ("gru", "lstm")], ids=lambda name: name
)
def test_float64_is_a_million_times_closer(cell, backend):
    report = examine(CATALOG.cells[cell].value, CATALOG.backend(backend), "cpu", "float64")
    assert report.passed, report.reason
    assert report.worst_parameter_gradient <= 1e-12


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_formats_of_few_digits_pass_by_the_eager_run(dtype):
    report = examine(CATALOG.cells["gru"].value, CATALOG.backend("torch"), "cpu", dtype)
    assert report.passed, report.reason
    assert report.worst_parameter_gradient > 5e-6


def test_equal_questions_give_equal_reports():
    one, two = (examine(CATALOG.cells["rnn"].value, CATALOG.backend("eager"), "cpu", "float32") for _ in range(2))
    assert one == two


# ---- cells that are wrong ----


@dataclass(frozen=True)
class OneLine(harness.Cell):
    """h ← formula(ops, p, x, h), with a matrix, a vector and no examples."""

    formula: object
    wrong_shape: bool = False
    about = harness.About(name="one_line", title="whatever its formula says")

    def parameters(self, I, H):
        return {"weight": (H, I), "bias": (H,)}

    def initialise(self, rng, I, H):
        drawn = {name: rng.uniform(1, 2, shape) for name, shape in self.parameters(I, H).items()}
        return {**drawn, "bias": drawn["bias"][:-1]} if self.wrong_shape else drawn

    def step(self, ops, p, x, state):
        (h,) = state
        return (self.formula(ops, p, x @ p["weight"].T, h),)


def rejected(cell):
    report = examine(cell, CATALOG.backend("eager"), "cpu", "float32")
    assert not report.passed
    return report.reason


def test_a_step_that_leaves_the_vocabulary_is_rejected_with_the_operations_name():
    assert "`.mean`" in rejected(OneLine(lambda ops, p, x, h: ops.tanh(x) - h.mean()))
    assert "numpy.tanh" in rejected(OneLine(lambda ops, p, x, h: np.tanh(x + h)))


def test_a_step_that_overflows_is_rejected():
    assert "infinities" in rejected(OneLine(lambda ops, p, x, h: ops.exp(1000 * ops.exp(x * x + p["bias"])) + h))
    assert "infinities" in rejected(OneLine(lambda ops, p, x, h: x + h * h * h + 9 * p["bias"]))


def test_initial_weights_of_other_shapes_than_declared_are_rejected():
    assert "initial weights" in rejected(OneLine(lambda ops, p, x, h: ops.tanh(x + h + p["bias"]), wrong_shape=True))


def test_a_step_that_means_two_things_is_rejected():
    def two_faced(ops, p, x, h):
        return ops.tanh(x + h + p["bias"]) * (1 + 1e-9 * isinstance(ops, TorchOps))

    assert "NumPy and torch differ" in rejected(OneLine(two_faced))


def test_weights_that_no_initialisation_gives_are_left_out_where_they_break_the_cell():
    logarithm = OneLine(lambda ops, p, x, h: ops.tanh(0.1 * x * ops.log(p["bias"]) + 0.5 * h))
    report = examine(logarithm, CATALOG.backend("eager"), "cpu", "float32")
    assert report.passed, report.reason
    assert report.shapes == len(CASES) - 1


# ---- the measure ----


def answered(catalog, cell, backend):
    subject = Subject.of(catalog.cell(parse(cell)))
    return measure(Trial(measure="conformance", cell=subject, backend=backend), Context(catalog=catalog, folder=None))


def test_the_measure_answers_ok_with_its_figures():
    answer = answered(CATALOG, "lstm[forget_bias=1]", "torch")
    assert answer.status == Status.OK
    assert answer.reason == ""
    assert 0 < answer.values["worst"].value <= 1
    assert answer.values["checks_failed"].value == 0
    assert answer.values["checks"].value > 20
    assert answer.values["shapes"].value == len(CASES)
    assert not any(measured.timed for measured in answer.values.values())
    assert answer.digest() == answered(CATALOG, "lstm[forget_bias=1]", "torch").digest()


def test_two_swapped_gates_are_rejected_with_the_worst_figure(swapped_file):
    answer = answered(plugins.load([swapped_file]), "lstm", "swapped")
    assert answer.status == Status.REJECTED
    assert answer.values["worst"].value > 1000
    assert answer.values["worst_parameter_gradient"].value > 0.1
    assert "allowed" in answer.reason
    assert "fails first at T1 B1 I1 H1" in answer.reason


def test_a_cell_whose_examples_disagree_is_rejected_on_every_backend(wrong_examples_file):
    answer = answered(plugins.load([wrong_examples_file]), "wrong_examples", "eager")
    assert answer.status == Status.REJECTED
    assert "1.0e+00" in answer.reason
    assert "a wrong memory" in answer.reason
    assert answer.values["examples"].value == 1


def test_the_reason_leads_with_the_worst_figure_and_names_what_else_fails():
    failed = [
        Check(name="y", passed=False, figure=2.0, detail="off by 2"),
        Check(name="gradient of x", passed=False, figure=7.0, where="T1 B1 I1 H1", detail="off by 7 at T9 B4 I3 H17"),
        Check(name="outputs alias nothing", passed=False, detail="y shares memory with final h"),
    ]
    report = GateReport(checks=(Check(name="vocabulary", passed=True), *failed))
    assert report.worst == 7
    assert report.reason == (
        "gradient of x: off by 7 at T9 B4 I3 H17; fails first at T1 B1 I1 H1; so do y, outputs alias nothing"
    )


def test_the_references_outputs_are_the_steps_in_numpy():
    cell, case = CATALOG.cells["lstm"].value, CASES[-1]
    inputs = draw(cell, case, "float32")
    y, final = harness.unroll(cell, NumpyOps(), inputs.weights, inputs.x, inputs.state)
    found = reference(cell, case, inputs)
    for quantity, wanted in zip(found.outcome, [np.stack(y), *final], strict=False):
        assert np.array_equal(quantity.value, wanted)
    assert found.disagreement < 1e-13


# ---- the tolerance ----


def test_an_error_beyond_the_tolerance_passes_only_within_four_times_the_eager_runs():
    wanted = Quantity("y", "y", np.ones((2, 1, 1)))
    found = wanted.value + 1e-3
    assert deviation(found, wanted, "float32").figure > 50
    assert deviation(found, wanted, "float32", lambda: wanted.value + 3e-4).figure < 1
    assert deviation(found, wanted, "float32", lambda: wanted.value + 2e-4).figure > 1


def test_the_eager_run_is_made_only_when_the_tolerance_does_not_decide():
    wanted = Quantity("y", "y", np.ones((2, 1, 1)))
    assert deviation(wanted.value + 1e-6, wanted, "float32", lambda: pytest.fail("made in vain")).figure < 1


def test_errors_of_the_eager_run_excuse_only_what_comes_after_them():
    wanted = Quantity("y", "y", np.ones((2, 1, 1)))
    late = wanted.value + np.array([0, 1e-2]).reshape(2, 1, 1)
    early = wanted.value + np.array([1e-2, 0]).reshape(2, 1, 1)
    assert deviation(late, wanted, "float32", lambda: early).figure < 1
    assert deviation(early, wanted, "float32", lambda: late).figure > 1


def test_nan_is_infinitely_wrong():
    wanted = Quantity("gradient of w", "gradient of a parameter", np.ones(2))
    assert deviation(np.array([np.nan, 1]), wanted, "float32").figure == np.inf
