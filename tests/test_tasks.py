import math

import numpy as np
import pytest

from harness import HarnessError, Real, seeds
from harness.task import EXAM_BATCH
from harness_adding import Adding
from harness_copy_memory import CopyMemory
from harness_seq2seq import G2P, Addition

TASKS = [
    Adding(length=9),
    Adding(length=9, variant="anywhere"),
    CopyMemory(symbols=3, alphabet=4, delay=5),
    Addition(digits=2, examples=400),
    G2P(),
]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def rng(*names):
    return seeds.stream(7, "tests", *names)


def total(task, batches, answer):
    """The scores over all batches; `answer` gives the prediction for one."""
    tallies = [task.score(batch, answer(batch)) for batch in batches]
    sums = {name: np.sum([tally[name] for tally in tallies], axis=0) for name in tallies[0]}
    return {name: part / count for name, (part, count) in sums.items()}


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_equal_generators_give_equal_batches_and_others_different_ones(task):
    first, again, other = task.batch(rng(1), 16), task.batch(rng(1), 16), task.batch(rng(2), 16)
    np.testing.assert_array_equal(first.x, again.x)
    np.testing.assert_array_equal(first.target, again.target)
    assert first.x.shape != other.x.shape or not np.array_equal(first.x, other.x)
    exams = [task.examine(rng(3), 30, "test") for _ in range(2)]
    for a, b in zip(*exams, strict=True):
        np.testing.assert_array_equal(a.x, b.x)
        assert a.references == b.references


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_batches_have_the_shapes_and_types_of_the_contract(task):
    problem = task.problem()
    for batch in [task.batch(rng(1), 16), *task.examine(rng(2), EXAM_BATCH + 40, "validation")]:
        assert batch.x.dtype == (np.float32 if isinstance(problem.source, Real) else np.int64)
        assert batch.target.dtype == (np.float32 if isinstance(problem.target, Real) else np.int64)
        assert batch.x.shape[1] <= EXAM_BATCH
        if not isinstance(problem.source, Real):
            assert batch.x.min() >= 0
            assert batch.x.max() < problem.source.size
        if not isinstance(problem.target, Real):
            assert batch.target.min() >= 0
            assert batch.target.max() < problem.target.size
    assert set(task.baseline()) == {metric.name for metric in problem.metrics}


@pytest.mark.parametrize("task", TASKS[3:], ids=repr)
def test_answers_end_with_the_end_symbol_and_the_mask_ends_there(task):
    problem = task.problem()
    for batch in [task.batch(rng(k), 12) for k in range(20)]:
        steps = len(batch.target)
        lengths = batch.mask.sum(axis=0)
        assert lengths.max() == steps <= problem.longest
        np.testing.assert_array_equal(batch.mask, np.arange(steps)[:, None] < lengths)
        assert (batch.target[lengths - 1, np.arange(12)] == problem.end).all()
        assert ((batch.target == problem.end) == (np.arange(steps)[:, None] >= lengths - 1)).all()
        assert problem.start not in batch.target


@pytest.mark.parametrize("variant", ["halves", "anywhere"])
def test_adding_is_solved_by_adding_and_one_third_short_of_it_is_the_baseline(variant):
    task = Adding(length=10, variant=variant)
    exam = task.examine(rng(1), 20_000, "test")
    assert total(task, exam, lambda b: (b.x[..., 0] * b.x[..., 1]).sum(axis=0)[:, None]) == {"mse": 0}
    constant = total(task, exam, lambda b: np.ones_like(b.target))
    assert constant["mse"] == pytest.approx(task.baseline()["mse"], rel=0.02)


def test_copy_memory_has_the_papers_layout():
    batch = CopyMemory(symbols=3, alphabet=7, delay=5).batch(rng(1), 4)
    assert batch.x.shape == (11, 4, 9)
    np.testing.assert_array_equal(batch.x.sum(axis=-1), 1)
    heard = batch.x.argmax(axis=-1)
    assert (heard[:3] >= 1).all()
    assert (heard[:3] <= 7).all()
    assert heard[3:].tolist() == [[0] * 4] * 4 + [[8] * 4] + [[0] * 4] * 3
    assert (batch.target[:8] == 0).all()
    np.testing.assert_array_equal(batch.target[8:], heard[:3])


def test_copy_memory_draws_every_symbol_equally_often():
    task = CopyMemory(symbols=5, alphabet=4, delay=1)
    drawn = task.batch(rng(1), 4000).target[-5:]
    np.testing.assert_allclose(np.bincount(drawn.ravel(), minlength=5) / drawn.size, [0] + [0.25] * 4, atol=0.01)


def test_copy_memory_baseline_is_the_papers_figure_and_what_a_memoryless_predictor_scores():
    assert CopyMemory().baseline()["cross_entropy"] == pytest.approx(0.17329, abs=5e-6)
    task = CopyMemory(symbols=3, alphabet=4, delay=5)

    def memoryless(batch):
        logits = np.full((*batch.target.shape, 5), -1e4, dtype=np.float32)
        logits[:-3, :, 0] = 3
        logits[-3:, :, 1:] = 3 + 1e-3 * rng(2).random((3, batch.target.shape[1], 4))
        return logits

    scores = total(task, task.examine(rng(1), 20_000, "test"), memoryless)
    assert scores["cross_entropy"] == pytest.approx(3 * math.log(4) / 11, rel=1e-4)
    assert scores["recall"] == pytest.approx(0.25, abs=0.01)


def test_copy_memory_recall_counts_the_last_symbols_alone():
    task = CopyMemory(symbols=3, alphabet=4, delay=5)
    batch = task.batch(rng(1), 50)
    perfect = np.zeros((11, 50, 5), dtype=np.float32)
    perfect[-3:] = 1000 * np.eye(5)[batch.x[:3].argmax(axis=-1)]
    perfect[:-3, :, 0] = 1000
    assert task.score(batch, perfect)["recall"] == (150, 150)
    assert task.score(batch, perfect)["cross_entropy"][0] == pytest.approx(0, abs=1e-6)
    silent = np.zeros_like(perfect)
    silent[..., 0] = 1000
    assert task.score(batch, silent)["recall"] == (0, 150)
    babbling = perfect.copy()
    babbling[:-3] = [0, 1000, 0, 0, 0]
    assert task.score(batch, babbling)["recall"] == (150, 150)
    assert task.score(batch, babbling)["cross_entropy"] == (pytest.approx(8 * 50 * 1000), 11 * 50)


@pytest.mark.parametrize(
    ("task", "options"),
    [
        (CopyMemory, {"symbols": 0}),
        (CopyMemory, {"alphabet": 1}),
        (CopyMemory, {"delay": 0}),
        (Addition, {"digits": 0}),
        (Addition, {"digits": 10}),
        (Addition, {"digits": 1, "examples": 56}),
        (Addition, {"examples": 19}),
    ],
)
def test_impossible_options_are_refused_in_words(task, options):
    with pytest.raises(HarnessError, match=str(next(reversed(options.values())))):
        task(**options)
