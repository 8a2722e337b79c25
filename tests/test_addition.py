from collections import Counter
from itertools import product

import numpy as np
import pytest

from harness import seeds
from harness.task import Batch
from harness_seq2seq.addition import END, START, Addition
from harness_seq2seq.answers import constant_answer


def rng(*names):
    return seeds.stream(7, "tests", *names)


def total(task, batches, answer):
    """The scores over all batches; `answer` gives the prediction for one."""
    tallies = [task.score(batch, answer(batch)) for batch in batches]
    sums = {name: np.sum([tally[name] for tally in tallies], axis=0) for name in tallies[0]}
    return {name: part / count for name, (part, count) in sums.items()}


def decoded(*answers, noise=0, extra=0):
    """Answers as a decoder's symbols [S, B], `noise` after the end."""
    steps = max(map(len, answers)) + 1 + extra
    return np.array([[*answer, END, *[noise] * (steps - len(answer) - 1)] for answer in answers]).T


def read_queries(batch, *, reverse=True):
    lines = ["".join("0123456789+ "[symbol] for symbol in column) for column in batch.x.T.tolist()]
    return [(line[::-1] if reverse else line) for line in lines]


def read_pairs(batch):
    return [tuple(sorted(map(int, query.split("+")))) for query in read_queries(batch)]


def oracle(batch):
    sums = [str(first + second) for first, second in read_pairs(batch)]
    return decoded(*([int(digit) for digit in answer] for answer in sums), noise=3)


def test_addition_is_solved_by_adding_and_its_queries_are_padded_and_reversed():
    task = Addition(digits=3, examples=2000)
    batches = [task.batch(rng(1), 300), *task.examine(rng(1), 200, "validation"), *task.examine(rng(1), 200, "test")]
    assert total(task, batches, oracle) == {"exact_match": 1, "character_accuracy": 1}
    forward = Addition(digits=3, examples=2000, reverse=False).batch(rng(1), 300)
    np.testing.assert_array_equal(forward.x[::-1], batches[0].x)
    for line in read_queries(forward, reverse=False):
        assert len(line) == 7
        assert line == line.strip().ljust(7)
        assert all(text == str(int(text)) for text in line.strip().split("+"))


def test_addition_operands_have_each_number_of_digits_and_short_numbers_are_frequent():
    exam = Addition(digits=3, examples=20_000).examine(rng(1), 2000, "test")
    widths = Counter(len(str(number)) for batch in exam for pair in read_pairs(batch) for number in pair)
    # Less than a third each, as leading zeros shorten some and pairs of short numbers are soon used up; were the
    # numbers drawn below 1000 evenly, the shares would be 1 % and 9 %.
    assert 0.10 < widths[1] / widths.total() < widths[2] / widths.total() < 1 / 3


@pytest.mark.parametrize("task", [Addition(digits=2, examples=3000), Addition(digits=1, examples=55)], ids=repr)
def test_addition_splits_share_no_pair_in_either_order(task):
    held = task.examples // 10
    seen = {
        split: [pair for batch in task.examine(rng(1), 10**6, split) for pair in read_pairs(batch)]
        for split in ("validation", "test")
    }
    assert [len(pairs) for pairs in seen.values()] == [held // 2, held - held // 2]
    seen["train"] = set(read_pairs(task.batch(rng(1), 10**5)))
    assert len(seen["train"]) == task.examples - held
    assert len(set().union(*seen.values())) == task.examples


def test_addition_scores_ignore_what_follows_the_end_and_count_what_is_missing():
    task = Addition(digits=3, examples=400)
    target = np.array([[5, 9, 6, END], [7, END, END, END]]).T
    mask = np.array([[True] * 4, [True, True, False, False]]).T
    batch = Batch(x=np.zeros((7, 2), dtype=np.int64), target=target, mask=mask)

    def score(first, second, **options):
        scores = task.score(batch, decoded(first, second, **options))
        return scores["exact_match"], scores["character_accuracy"]

    assert score([5, 9, 6], [7], noise=END) == ((2, 2), (6, 6))
    assert score([5, 9, 6], [7], noise=7, extra=3) == ((2, 2), (6, 6))
    assert score([5, 9], [7], noise=6) == ((1, 2), (4, 6))  # the 6 comes after the end
    assert score([5, 9, 6, 1], [7, 7]) == ((0, 2), (4, 6))
    assert score([], []) == ((0, 2), (0, 6))
    assert task.score(batch, np.array([[5, 9, 6], [7, END, 0]]).T)["exact_match"] == (2, 2)  # never said its end
    assert task.score(batch, np.array([[5, 9, 6, 6, 6], [START] * 5]).T)["exact_match"] == (0, 2)


def test_no_constant_answer_agrees_with_more_symbols():
    answers = rng(1).choice(3, (40, 4), p=[0.5, 0.3, 0.2])
    lengths = rng(2).integers(1, 4, 40) + 1
    answers[np.arange(4) >= lengths[:, None] - 1] = 3

    def agreements(constant):
        steps = min(len(constant), 4)
        counted = np.arange(steps) < lengths[:, None]
        return ((answers[:, :steps] == constant[:steps]) & counted).sum()

    best = max(agreements(np.array([*said, 3])) for n in range(4) for said in product(range(3), repeat=n))
    found = constant_answer(answers, lengths, end=3)
    assert found[-1] == 3
    assert agreements(found) == best


def test_addition_baseline_is_what_the_constant_that_suits_training_best_scores():
    task = Addition(digits=1, examples=55)
    training = task.batch(rng(1), 2000)
    once = np.unique(np.concatenate([training.target, training.mask, training.x]), axis=1, return_index=True)[1]
    target, mask = training.target[:, once], training.mask[:, once]
    assert len(once) == 50
    constants = [[*said, END] for n in range(3) for said in product(range(10), repeat=n)]
    agreements = [((target[: len(said)] == np.array(said)[:, None]) & mask[: len(said)]).sum() for said in constants]
    exam = task.examine(rng(1), 55, "validation")
    scores = [total(task, exam, lambda b, said=said: decoded(*[said[:-1]] * b.x.shape[1])) for said in constants]
    assert task.baseline() in [s for s, agreed in zip(scores, agreements, strict=True) if agreed == max(agreements)]
