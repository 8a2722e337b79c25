"""Do a task's targets have to do with their own inputs, or could each be another example's?"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.kit.examples import drawn
from harness.task import Batch, Kind, Problem, Symbols, Task

Numbers = NDArray[Any]
BATCHES, PLACES = 8, 4
"""Of so many batches, so many steps from the start and from the end are looked at one by one, and all together."""
MOST_SYMBOLS = 64
"""Of larger alphabets, symbols with the same remainder are one."""
RARE = 0.01
"""A symbol that fewer examples have, or fewer lack, says nothing: two such coincide by chance."""
SHUFFLES = 99


def answers_belong_to_their_questions(task: Task) -> Iterator[str]:
    """A feature of an input and one of its target correlate more than in any of `SHUFFLES` shuffles within the batches.

    That is a permutation test of 1 %. Targets that have changed places do not pass it; nor does a parity's, of which no
    single feature tells anything: so it is a warning.
    """
    found, shuffled = _correlations(task)
    if found <= shuffled:
        yield (
            f"no target is seen to have to do with its own input (correlation {found:.2g}, with another's up to "
            f"{shuffled:.2g}): are both in one order? Of a parity or the like nothing could be seen"
        )


def _correlations(task: Task) -> tuple[float, float]:
    """The largest between any two features: as drawn, and in all shuffles. 0 and 0 where none varies."""
    asked = task.problem()
    batches = [drawn(task, k) for k in range(BATCHES)]
    inputs = _varying([_features(batch.x, isinstance(asked.source, Symbols), asked.source.size) for batch in batches])
    targets = _varying([_features(*_answers(batch, asked)) for batch in batches])
    shuffle, starts = seeds.stream(0, "kit", "shuffle"), np.cumsum([0, *(batch.x.shape[1] for batch in batches)])
    shuffled = [_largest(inputs, targets[_within(shuffle, starts)]) for _ in range(SHUFFLES)]
    return _largest(inputs, targets), max(shuffled)


def _answers(batch: Batch, asked: Problem) -> tuple[Numbers, bool, int]:
    """Targets with time first, the steps that nobody is asked for left out."""
    target = batch.target[None] if asked.kind == Kind.SEQUENCE_TO_VECTOR else batch.target
    if batch.mask is not None and asked.kind == Kind.SEQUENCE_TO_SEQUENCE:
        target = target[batch.mask.any(axis=tuple(range(1, batch.mask.ndim)))]
    return target, isinstance(asked.target, Symbols), asked.target.size


def _features(steps: Numbers, are_symbols: bool, size: int) -> Numbers:
    """[B, …] of [T, B] or [T, B, N]: the first and last steps, the mean over all, and that of products of numbers."""
    few = min(size, MOST_SYMBOLS)
    values = np.eye(few, dtype=np.float32)[steps % few] if are_symbols else steps
    T, B = values.shape[:2]
    near = np.minimum(np.arange(PLACES), T - 1)
    parts = [values[near], values[T - 1 - near], values.mean(axis=0, keepdims=True)]
    if not are_symbols:
        parts += [(values * np.roll(values, k, axis=2)).mean(axis=0, keepdims=True) for k in range(1, values.shape[2])]
    return np.concatenate(parts).transpose(1, 0, 2).reshape(B, -1)


def _varying(batches: Sequence[Numbers]) -> Numbers:
    """[N, …], the features that vary, each with mean 0 in every batch and a sum of squares of 1."""
    whole = np.concatenate(batches)
    told = np.ptp(whole, axis=0) > 0
    for value in (0, 1):
        told &= (whole != value).mean(axis=0) >= RARE
    centred = np.concatenate([one - one.mean(axis=0) for one in batches]).astype(np.float64)
    lengths = np.linalg.norm(centred, axis=0)
    kept = told & (lengths > 1e-6 * np.abs(whole).max(axis=0, initial=1.0))
    found: Numbers = (centred[:, kept] / lengths[kept]).astype(np.float32)
    return found


def _within(rng: np.random.Generator, starts: Numbers) -> Numbers:
    """A permutation that leaves everything in its batch."""
    return np.concatenate([a + rng.permutation(b - a) for a, b in pairwise(starts)])


def _largest(inputs: Numbers, targets: Numbers) -> float:
    return float(np.abs(inputs.T @ targets).max(initial=0.0))
