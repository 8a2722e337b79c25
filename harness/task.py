"""A task: batches in NumPy, a score, a baseline, and when it counts as solved."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from harness.about import About
from harness.errors import HarnessError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Split = Literal["validation", "test"]
Tally = tuple[float, float]
"""A sum and its count: tallies of uneven batches add up, and their quotient is the score."""

EXAM_BATCH = 256


class Kind(StrEnum):
    """What goes in and what comes out."""

    SEQUENCE_TO_VECTOR = "sequence to vector"
    SEQUENCE_TO_SEQUENCE = "sequence to sequence"
    ENCODER_DECODER = "encoder-decoder"


@dataclass(frozen=True, slots=True)
class Real:
    """Real numbers, `size` of them a step (or in the answer); the loss is the mean squared error."""

    size: int


@dataclass(frozen=True, slots=True)
class Symbols:
    """Symbols 0 … size−1, embedded when they go in; the loss is the cross-entropy in nats."""

    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A score's name, its unit ("" for a ratio) and which way is better."""

    name: str
    unit: str = ""
    better: Literal["lower", "higher"] = "lower"

    def is_better(self, a: float, b: float) -> bool:
        """Whether score `a` beats score `b`."""
        return a < b if self.better == "lower" else a > b


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """Solved: `metric` below `threshold` (where higher is better: at least) on `consecutive` evaluations in a row."""

    metric: str
    threshold: float
    better: Literal["lower", "higher"] = "lower"
    consecutive: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What the model must know of a task.

    `metrics`: the first one chooses the best weights and leads the tables. An encoder–decoder's target
    alphabet holds `start` and `end`; `longest` is the longest answer, its end symbol included.
    """

    kind: Kind
    source: Real | Symbols
    target: Real | Symbols
    metrics: tuple[Metric, ...]
    solved: Criterion | None = None
    start: int = 0
    end: int = 0
    longest: int = 0

    def metric(self, name: str) -> Metric:
        """The metric of that name. Raises HarnessError where there is none."""
        for metric in self.metrics:
            if metric.name == name:
                return metric
        raise HarnessError(f"wanted one of the metrics {[m.name for m in self.metrics]}, found {name!r}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """B examples.

    `x`: [T, B, I] float32, or [T, B] int64 for symbols. `target`: [B, O] for a vector; [T, B] int64 for a
    sequence of symbols; [S, B] int64 for a decoder, the end symbol included. `mask`: where the loss counts, of
    target's shape; None means everywhere. `references`: per example whatever `score` needs beside the target.
    """

    x: "NDArray[Any]"
    target: "NDArray[Any]"
    mask: "NDArray[np.bool_] | None" = None
    references: tuple[Any, ...] = ()


class Task(ABC):
    """The contract of a task: a frozen dataclass whose fields are its options.

    A task knows no cell and no framework; it gets generators and gives arrays. Equal generators give equal
    batches. Tasks with finite data keep fixed train, validation and test splits and override `examine`.
    """

    about: ClassVar[About]

    @abstractmethod
    def problem(self) -> Problem:
        """Sizes, metrics and the criterion."""

    @abstractmethod
    def batch(self, rng: "np.random.Generator", size: int) -> Batch:
        """`size` training examples."""

    @abstractmethod
    def score(self, batch: Batch, prediction: "NDArray[Any]") -> dict[str, Tally]:
        """Metric name → (sum, count) over the batch.

        `prediction`: [B, O] for a vector; logits [T, B, O] for a sequence; symbols [S, B], decoded greedily, for a
        decoder (what follows its first end symbol is noise).
        """

    @abstractmethod
    def baseline(self) -> dict[str, float]:
        """The memoryless predictor's score, by metric name."""

    def sources(self) -> tuple[Path, ...]:
        """The data files the task reads from elsewhere: another content is another basis of its answers."""
        return ()

    def examine(self, rng: "np.random.Generator", size: int, split: Split) -> list[Batch]:
        """Batches of in all `size` held-out examples of `split`; the caller's generator belongs to the split."""
        sizes = [EXAM_BATCH] * (size // EXAM_BATCH) + ([size % EXAM_BATCH] if size % EXAM_BATCH else [])
        return [self.batch(rng, part) for part in sizes]
