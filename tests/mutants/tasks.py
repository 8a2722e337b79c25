"""Tasks with one fault each: the adding problem, or a small one with data of its own, gone wrong."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

import harness
from harness_adding import Adding
from harness_copy_memory import CopyMemory
from harness_seq2seq.addition import Addition

MADE = []


def mutant(kind):
    MADE.append(kind)
    return kind


@dataclass(frozen=True)
class Short(Adding):
    length: int = 12


@mutant
class DrawsGlobally(Short):
    def batch(self, rng, size):
        return super().batch(np.random.default_rng(np.random.randint(1000)), size)  # noqa: NPY002


@mutant
class AlwaysTheSame(Short):
    def batch(self, rng, size):
        return super().batch(np.random.default_rng(0), size)


@mutant
class Remembers(Short):
    calls: ClassVar[list] = []

    def batch(self, rng, size):
        self.calls.append(size)
        found = super().batch(rng, size)
        return replace(found, x=found.x + np.float32(len(self.calls)))


@mutant
class TooFew(Short):
    def batch(self, rng, size):
        return super().batch(rng, max(1, size - 1))


@mutant
class WrongDtype(Short):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, x=found.x.astype(np.float64))


@mutant
class WrongChannels(Short):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, x=found.x[..., :1])


@mutant
class NotFinite(Short):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(
            found, target=np.log(found.target - 1, where=found.target > 1, out=np.full_like(found.target, -np.inf))
        )


@mutant
class BlindToTheLastInput(Short):
    """The first number minus the last: who remembers nothing still has the last one before it."""

    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, target=found.x[0, :, :1] - found.x[-1, :, :1])

    def baseline(self):
        return {"mse": 1 / 6}


@mutant
class WrongBaseline(Short):
    def baseline(self):
        return {"mse": 0.25}


@mutant
class BaselineUnnamed(Short):
    def baseline(self):
        return {"error": 1 / 6}


@mutant
class SolvedByAnybody(Short):
    def problem(self):
        return replace(super().problem(), solved=harness.Criterion(metric="mse", threshold=0.5))


@mutant
class SolvedByNobody(Short):
    def problem(self):
        return replace(super().problem(), solved=harness.Criterion(metric="mse", threshold=0.0))


@mutant
class CriterionOfNothing(Short):
    def problem(self):
        return replace(super().problem(), solved=harness.Criterion(metric="accuracy", threshold=0.5))


@mutant
class ScoreOfSums(Short):
    def score(self, batch, prediction):
        return {"mse": (float(np.square(prediction.sum() - batch.target.sum())), len(prediction))}


@mutant
class ScoreTheWrongWay(Short):
    def score(self, batch, prediction):
        return {"mse": (-float(np.square(prediction - batch.target).sum()), len(prediction))}


@mutant
class TargetFromNowhere(Short):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, x=np.round(found.x * 0), target=rng.random((size, 1), dtype=np.float32) + 0.5)


@mutant
class TargetConstant(Short):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, target=np.ones_like(found.target))


SHUFFLED = []
"""Kinds whose examples have each other's targets: a warning, for no check can be sure."""


def shuffled(kind):
    SHUFFLED.append(kind)
    return kind


@shuffled
class TargetsShuffled(Short):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, target=rng.permutation(found.target))


@shuffled
class TargetsOfTheNeighbour(CopyMemory):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, target=np.roll(found.target, 1, axis=1))


@shuffled
class InputsSorted(Addition):
    def batch(self, rng, size):
        found = super().batch(rng, size)
        return replace(found, x=found.x[:, np.lexsort(found.x)])


@dataclass(frozen=True)
class Parity(Short):
    """Whether the numbers above one half are odd in number: right, and nothing to be seen of it."""

    def batch(self, rng, size):
        found = super().batch(rng, size)
        odd = (found.x[..., 0] > 0.5).sum(axis=0) % 2
        return replace(found, target=odd.astype(np.float32)[:, None])

    def baseline(self):
        return {"mse": 0.25}


@dataclass(frozen=True)
class Finite(Short):
    """A hundred sequences of its own."""

    def _all(self):
        return Adding.batch(self, np.random.default_rng(0), 100)

    def _chosen(self, places):
        found = self._all()
        return replace(found, x=found.x[:, places], target=found.target[places])

    def batch(self, rng, size):
        return self._chosen(rng.integers(0, 80, size))

    def examine(self, rng, size, split):
        return [self._chosen(np.arange(80, 90) if split == "validation" else np.arange(90, 100))]


@mutant
class Leaks(Finite):
    def examine(self, rng, size, split):
        return [self._chosen(np.arange(70, 90) if split == "test" else np.arange(90, 100))]
