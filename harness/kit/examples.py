"""Examples of a task for its checks: drawn, taken apart, compared, answered by an oracle, and without memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import seeds
from harness.task import Batch, Criterion, Kind, Problem, Real, Split, Symbols, Task

Numbers = NDArray[Any]
DRAWN, HELD_OUT, GROUP, FITTED = 256, 1024, 32, 16
"""Examples of a batch, of an examination and of a group of it; batches to which a predictor is fitted."""
SURE = 30.0
"""Logits of who is sure."""


def rng(k: int) -> np.random.Generator:
    """The k-th generator of training batches."""
    return seeds.stream(0, "kit", "batch", k)


def drawn(task: Task, k: int = 0, size: int = DRAWN) -> Batch:
    """A training batch from a fresh generator."""
    return task.batch(rng(k), size)


def held_out(task: Task, split: Split, size: int) -> list[Batch]:
    """An examination from a fresh generator of the split's own."""
    return task.examine(seeds.stream(0, "kit", split), size, split)


def scored(task: Task) -> Batch:
    """A batch that has all that its score needs: the largest of a validation."""
    return max(held_out(task, "validation", HELD_OUT), key=examples_in)


def has_data(task: Task) -> bool:
    """Whether the task has examples of its own rather than new ones for every call."""
    return type(task).examine is not Task.examine


def examples_in(batch: Batch) -> int:
    """B."""
    return int(batch.x.shape[1])


def pairs_in(task: Task, batch: Batch) -> Iterator[tuple[bytes, bytes]]:
    """Every example's input and target, as bytes that are equal where they are."""
    for b in range(examples_in(batch)):
        target = of(task, batch.target, slice(b, b + 1))
        yield np.ascontiguousarray(batch.x[:, b]).tobytes(), np.ascontiguousarray(target).tobytes()


def alike(a: Batch, b: Batch) -> bool:
    """Whether two batches hold the same numbers."""
    masks = (a.mask is None) == (b.mask is None) and (a.mask is None or np.array_equal(a.mask, b.mask))  # type: ignore[arg-type]
    return masks and np.array_equal(a.x, b.x) and np.array_equal(a.target, b.target)


def ill_formed(asked: Problem, batch: Batch) -> Iterator[str]:
    """What a batch has not as the problem declares it."""
    B = examples_in(batch)
    if isinstance(asked.source, Real) and (batch.x.ndim != 3 or batch.x.shape[2] != asked.source.size):
        yield f"wanted x of shape [T, B, {asked.source.size}], found {batch.x.shape}"
    if isinstance(asked.source, Symbols) and batch.x.ndim != 2:
        yield f"wanted x of shape [T, B], found {batch.x.shape}"
    wanted = {"x": (batch.x, asked.source), "target": (batch.target, asked.target)}
    for name, (values, kind) in wanted.items():
        formats = {Real: "float32", Symbols: "int64"}
        if str(values.dtype) != formats[type(kind)]:
            yield f"wanted {name} in {formats[type(kind)]}, found {values.dtype}"
        elif isinstance(kind, Symbols) and values.size and not 0 <= values.min() <= values.max() < kind.size:
            yield f"wanted symbols of {name} from 0 to {kind.size - 1}, found {values.min()} to {values.max()}"
        elif not np.isfinite(values).all():
            yield f"wanted finite numbers in {name}, found others"
    axis = 0 if asked.kind == Kind.SEQUENCE_TO_VECTOR else 1
    if batch.target.ndim <= axis or batch.target.shape[axis] != B:
        yield f"wanted a target of {B} examples along axis {axis}, found the shape {batch.target.shape}"
    if asked.kind == Kind.SEQUENCE_TO_SEQUENCE and batch.target.shape[0] != batch.x.shape[0]:
        yield f"wanted a target a step, {batch.x.shape[0]} in all, found {batch.target.shape[0]}"
    if asked.kind == Kind.ENCODER_DECODER and not (batch.target == asked.end).any(axis=0).all():
        yield "wanted the end symbol in every answer"
    if batch.mask is not None and (batch.mask.shape != batch.target.shape or not batch.mask.any()):
        yield f"wanted a mask of the shape {batch.target.shape} that leaves something, found {batch.mask.shape}"


def part(task: Task, batch: Batch, chosen: Any) -> Batch:
    """Some examples of a batch."""
    target, mask = of(task, batch.target, chosen), batch.mask
    places = np.arange(examples_in(batch))[chosen]
    return Batch(
        x=batch.x[:, chosen],
        target=target,
        mask=None if mask is None else of(task, mask, chosen),
        references=tuple(batch.references[k] for k in places) if batch.references else (),
    )


def of(task: Task, values: Numbers, chosen: Any) -> Numbers:
    """Some examples of a target, a mask or a prediction."""
    found: Numbers = values[chosen] if task.problem().kind == Kind.SEQUENCE_TO_VECTOR else values[:, chosen]
    return found


def oracle(task: Task, batch: Batch) -> Numbers:
    """The prediction of who knows the target."""
    asked = task.problem()
    if asked.kind == Kind.ENCODER_DECODER or isinstance(asked.target, Real):
        return batch.target
    logits: Numbers = SURE * np.eye(asked.target.size, dtype=np.float32)[batch.target]
    return logits


def blurred(task: Task, batch: Batch) -> Numbers:
    """A prediction that is somewhere right and somewhere wrong."""
    noise, right = np.random.default_rng(0), oracle(task, batch)
    if task.problem().kind == Kind.ENCODER_DECODER:
        wrong = noise.random(right.shape) < 0.3
        return np.where(wrong, noise.permuted(right, axis=1), right)
    blur: Numbers = right + noise.normal(0, 0.3 if isinstance(task.problem().target, Real) else SURE, right.shape)
    return blur.astype(np.float32)


def scores(task: Task, batches: Sequence[Batch], said: Sequence[Numbers]) -> dict[str, float]:
    """Every metric over batches."""
    totals: dict[str, list[float]] = {}
    for batch, prediction in zip(batches, said, strict=True):
        for name, (total, count) in task.score(batch, prediction).items():
            sums = totals.setdefault(name, [0.0, 0.0])
            sums[0], sums[1] = sums[0] + total, sums[1] + count
    return {name: total / count for name, (total, count) in totals.items()}


def reaches(score: float, solved: Criterion) -> bool:
    """Whether a score is beyond the criterion's threshold."""
    return score >= solved.threshold if solved.better == "higher" else score < solved.threshold


def memoryless(task: Task) -> dict[str, tuple[float, float]]:
    """The held-out scores of a predictor without memory, fitted to training batches.

    Score and standard error by metric. A vector: what the last step's input tells, a symbol by itself and numbers by
    least squares up to their squares; or the frequencies. A sequence: the frequencies by position and the step's own
    symbol. A decoder: the commonest symbol by position.
    """
    fitted, exam = [drawn(task, k) for k in range(FITTED)], _in_groups(task, held_out(task, "validation", HELD_OUT))
    asked = task.problem()
    if asked.kind == Kind.ENCODER_DECODER:
        constant = _commonest(fitted, asked)
        said = [np.broadcast_to(constant[:, None], (len(constant), examples_in(batch))) for batch in exam]
    elif asked.kind == Kind.SEQUENCE_TO_SEQUENCE:
        said = [_by_step(fitted, batch, asked.target.size) for batch in exam]
    elif isinstance(asked.target, Real):
        said = _by_last(fitted, exam)
    else:
        counts = np.bincount(np.concatenate([batch.target.ravel() for batch in fitted]), minlength=asked.target.size)
        said = [np.broadcast_to(np.log(counts + 1e-9), (*batch.target.shape, len(counts))) for batch in exam]
    alone = [scores(task, [batch], [words]) for batch, words in zip(exam, said, strict=True)]
    whole = scores(task, exam, said)
    return {
        name: (score, float(np.std([one[name] for one in alone]) * len(alone) ** -0.5)) for name, score in whole.items()
    }


def _in_groups(task: Task, exam: Sequence[Batch]) -> list[Batch]:
    return [part(task, b, slice(at, at + GROUP)) for b in exam for at in range(0, examples_in(b), GROUP)]


def _commonest(fitted: Sequence[Batch], asked: Problem) -> Numbers:
    """By position; an answer that has ended goes on ending."""
    counts = [Counter[int]() for _ in range(asked.longest)]
    for batch in fitted:
        for b in range(examples_in(batch)):
            answer = batch.target[:, b].tolist()
            answer = answer[: answer.index(asked.end)] if asked.end in answer else answer
            for place, count in enumerate(counts):
                count[answer[place] if place < len(answer) else asked.end] += 1
    return np.array([count.most_common(1)[0][0] for count in counts], dtype=np.int64)


def _by_last(fitted: Sequence[Batch], exam: Sequence[Batch]) -> list[Numbers]:
    """[B, O] a batch: the target's mean given the last step's input, by least squares."""
    symbols = 1 + max(int(batch.x[-1].max()) for batch in [*fitted, *exam])

    def seen(batch: Batch) -> Numbers:
        last = batch.x[-1]
        if last.ndim == 1:
            return np.eye(symbols)[last]
        return np.concatenate([np.ones((len(last), 1)), last, np.square(last)], axis=1)

    inputs, targets = (np.concatenate(parts) for parts in ([*map(seen, fitted)], [batch.target for batch in fitted]))
    weights = np.linalg.lstsq(inputs, targets.astype(np.float64), rcond=None)[0]
    return [(seen(batch) @ weights).astype(np.float32) for batch in exam]


def _by_step(fitted: Sequence[Batch], batch: Batch, size: int) -> Numbers:
    """Log frequencies [T, B, O] by position and, where it is a symbol, the step's own input."""
    symbols = batch.x.ndim == 2
    inputs = max(int(one.x.max()) for one in [*fitted, batch]) + 1 if symbols else 1
    counts = np.full((len(batch.x), inputs, size), 1e-6)
    for one in fitted:
        steps = np.broadcast_to(np.arange(len(one.x))[:, None], one.target.shape)
        own = one.x if symbols else np.zeros_like(one.target)
        counted = np.ones(one.target.shape, bool) if one.mask is None else one.mask
        np.add.at(counts, (steps[counted], own[counted], one.target[counted]), 1)
    logs = np.log(counts / counts.sum(axis=-1, keepdims=True))
    own = batch.x if symbols else np.zeros(batch.target.shape, np.int64)
    found: Numbers = logs[np.arange(len(batch.x))[:, None], own]
    return found
