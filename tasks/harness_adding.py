"""The adding problem (Hochreiter & Schmidhuber 1997, experiment 4, in the form of Arjovsky et al. 2016).

Each step brings a random number and a mark. Two steps are marked; at the end, say the sum of their numbers.

    numbers  .3  .9  .1  .5  .7  .2
    marks     0   1   0   0   1   0      → 1.6

A predictor without memory says 1 always and errs by Var(U + U) = 1/6 on average of squares.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

import harness


@dataclass(frozen=True)
class Adding(harness.Task):
    """Two marked numbers in a sequence of `length`; the answer is their sum.

    `variant`: `halves` marks one step in each half (Arjovsky et al. 2016); `anywhere` two distinct steps (Bai,
    Kolter & Koltun 2018). Solved: squared error below 0.01 on three evaluations in a row.
    """

    about = harness.About(
        name="adding",
        title="adding problem",
        paper="Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, arXiv:1511.06464",
    )
    length: int = 100
    variant: Literal["halves", "anywhere"] = "halves"

    def __post_init__(self) -> None:
        if self.length < 2:
            raise harness.HarnessError(f"wanted a length of at least 2 for adding, found {self.length}")

    def problem(self) -> harness.Problem:
        """Two channels in, one number out."""
        return harness.Problem(
            kind=harness.Kind.SEQUENCE_TO_VECTOR,
            source=harness.Real(2),
            target=harness.Real(1),
            metrics=(harness.Metric(name="mse"),),
            solved=harness.Criterion(metric="mse", threshold=0.01),
        )

    def batch(self, rng: np.random.Generator, size: int) -> harness.Batch:
        """`x`: [T, B, 2] numbers from U(0, 1) and marks; `target`: [B, 1]."""
        numbers = rng.random((self.length, size), dtype=np.float32)
        first, second = self._marked(rng, size)
        examples = np.arange(size)
        marks = np.zeros_like(numbers)
        marks[first, examples] = marks[second, examples] = 1
        target = numbers[first, examples] + numbers[second, examples]
        return harness.Batch(x=np.stack([numbers, marks], axis=-1), target=target[:, None])

    def _marked(self, rng: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
        if self.variant == "halves":
            half = self.length // 2
            return rng.integers(0, half, size), rng.integers(half, self.length, size)
        first, second = rng.integers(0, self.length, size), rng.integers(0, self.length - 1, size)
        return first, second + (second >= first)

    def score(self, batch: harness.Batch, prediction: np.ndarray) -> dict[str, tuple[float, float]]:
        """The squared error."""
        return {"mse": (float(np.square(prediction - batch.target, dtype=np.float64).sum()), len(prediction))}

    def baseline(self) -> dict[str, float]:
        """The variance of the sum of two independent U(0, 1)."""
        return {"mse": 1 / 6}


@harness.hookimpl
def harness_tasks() -> list[harness.Task]:
    """The adding problem."""
    return [Adding()]
