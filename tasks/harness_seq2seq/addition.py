"""Addition, read and written as characters (the protocol of Keras' example `addition_rnn`).

    "535+61", padded to "535+61 ", read backwards " 16+535"   → "596"

From Keras: operands of 1 to `digits` random digits, the number of digits uniform too (a leading zero is lost, so that
short numbers are frequent); examples distinct up to the order of the operands; the query padded with spaces and
reversed; a tenth held out. Different here: the answer is not padded but ended by a symbol of its own, and decoded by
feeding back what was said (Keras repeats the encoder's vector); the tenth is halved into validation and test;
training draws from the nine tenths with replacement instead of in epochs; exact match is reported beside Keras'
accuracy by character.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

import harness
from harness import seeds
from harness.task import EXAM_BATCH, Split
from harness_seq2seq.answers import constant_answer, ended

PLUS, SPACE = 10, 11
"""Beside the digits in a query."""
START, END = 10, 11
"""Beside the digits in an answer."""


@dataclass(frozen=True)
class Addition(harness.Task):
    """Sums of two numbers of up to `digits` digits; `examples` distinct ones exist in all, drawn once and for all.

    `reverse`: the query is read backwards. Solved: exact match ≥ 0.99 three times in a row.
    """

    about = harness.About(
        name="addition",
        title="addition of numbers as strings",
        paper="Zaremba & Sutskever 2014, arXiv:1410.4615; keras.io/examples/nlp/addition_rnn",
    )
    digits: int = 3
    examples: int = 50_000
    reverse: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= 9:
            raise harness.HarnessError(f"wanted 1 to 9 digits for addition, found {self.digits}")
        pairs = 10**self.digits * (10**self.digits + 1) // 2
        if not 20 <= self.examples <= pairs:
            raise harness.HarnessError(
                f"wanted 20 to {pairs} examples for addition of {self.digits} digits, found {self.examples}"
            )

    def problem(self) -> harness.Problem:
        """Digits, plus and space in; digits out."""
        return harness.Problem(
            kind=harness.Kind.ENCODER_DECODER,
            source=harness.Symbols(12),
            target=harness.Symbols(12),
            metrics=(
                harness.Metric(name="exact_match", better="higher"),
                harness.Metric(name="character_accuracy", better="higher"),
            ),
            solved=harness.Criterion(metric="exact_match", threshold=0.99, better="higher"),
            start=START,
            end=END,
            longest=self.digits + 2,
        )

    def batch(self, rng: np.random.Generator, size: int) -> harness.Batch:
        """`x`: [2·digits + 1, B]; `target` and `mask`: [S, B]; drawn with replacement."""
        return _batch(_sums(self), rng.integers(_spans(self.examples)["train"].stop, size=size))

    def examine(self, rng: np.random.Generator, size: int, split: Split) -> list[harness.Batch]:
        """`size` examples of the split, drawn without replacement; all of them where `size` exceeds their number."""
        span = _spans(self.examples)[split]
        rows = span.start + rng.permutation(len(span))[:size]
        return [_batch(_sums(self), rows[at : at + EXAM_BATCH]) for at in range(0, len(rows), EXAM_BATCH)]

    def score(self, batch: harness.Batch, prediction: np.ndarray) -> dict[str, tuple[float, float]]:
        """Answers right as a whole; characters right at their position, the end symbol among them."""
        symbols, lengths = ended(prediction, END)
        steps = min(len(symbols), len(batch.target))
        due = np.ones_like(batch.target, dtype=bool) if batch.mask is None else batch.mask
        right = (symbols[:steps] == batch.target[:steps]) & due[:steps] & (np.arange(steps)[:, None] <= lengths)
        exact = right.sum(axis=0) == due.sum(axis=0)
        return {
            "exact_match": (float(exact.sum()), exact.size),
            "character_accuracy": (float(right.sum()), float(due.sum())),
        }

    def baseline(self) -> dict[str, float]:
        """The best constant answer by position in training, scored on all validation examples."""
        sums, spans = _sums(self), _spans(self.examples)
        train = slice(0, spans["train"].stop)
        constant = constant_answer(sums.answers[:, train].T, sums.lengths[train], END)
        batch = _batch(sums, np.array(spans["validation"]))
        said = np.broadcast_to(constant[:, None], (len(constant), batch.x.shape[1]))
        return {name: total / count for name, (total, count) in self.score(batch, said).items()}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """`queries`: [2·digits + 1, N], `answers`: [digits + 2, N] padded with the end symbol, `lengths`: [N] with it."""

    queries: np.ndarray
    answers: np.ndarray
    lengths: np.ndarray


def _spans(examples: int) -> dict[str, range]:
    held = examples // 10
    train, validation = examples - held, examples - held + held // 2
    return {"train": range(train), "validation": range(train, validation), "test": range(validation, examples)}


def _batch(sums: _Sums, rows: np.ndarray) -> harness.Batch:
    lengths = sums.lengths[rows]
    steps = int(lengths.max())
    mask = np.arange(steps)[:, None] < lengths
    return harness.Batch(x=sums.queries[:, rows], target=sums.answers[:steps, rows], mask=mask)


@lru_cache(maxsize=4)
def _sums(task: Addition) -> _Sums:
    rng = seeds.stream(0, "data", "addition", task.digits, task.examples)
    pairs = rng.permutation(_distinct_pairs(rng, task.digits, task.examples))
    first, second = pairs.T
    queries = np.full((2 * task.digits + 1, len(pairs)), SPACE)
    plus = _width(first, task.digits)
    _write(queries, first, task.digits, at=np.zeros_like(plus))
    queries[plus, np.arange(len(pairs))] = PLUS
    _write(queries, second, task.digits, at=plus + 1)
    answers = np.full((task.digits + 2, len(pairs)), END)
    _write(answers, first + second, task.digits + 1, at=np.zeros_like(plus))
    queries = np.ascontiguousarray(queries[::-1] if task.reverse else queries)
    return _Sums(queries=queries, answers=answers, lengths=_width(first + second, task.digits + 1) + 1)


def _distinct_pairs(rng: np.random.Generator, digits: int, count: int) -> np.ndarray:
    """[count, 2] operands in the order drawn, none twice in either order."""
    pairs = np.empty((0, 2), dtype=np.int64)
    while len(pairs) < count:
        drawn = rng.integers(0, 10 ** rng.integers(1, digits + 1, (2 * count, 2)))
        pairs = np.concatenate([pairs, drawn])
        names = pairs.min(axis=1) * 10**digits + pairs.max(axis=1)
        pairs = pairs[np.sort(np.unique(names, return_index=True)[1])]
    return pairs[:count]


def _width(numbers: np.ndarray, digits: int) -> np.ndarray:
    """How many digits each number is written with."""
    return 1 + (numbers[:, None] >= 10 ** np.arange(1, digits)).sum(axis=1)


def _write(lines: np.ndarray, numbers: np.ndarray, digits: int, *, at: np.ndarray) -> None:
    """Writes each number into its column of `lines` [S, N], from row `at` on, the highest digit first."""
    widths = _width(numbers, digits)
    for power in range(digits):
        columns = np.flatnonzero(widths > power)
        lines[at[columns] + widths[columns] - 1 - power, columns] = numbers[columns] // 10**power % 10
