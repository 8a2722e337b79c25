"""The copy memory problem (Hochreiter & Schmidhuber 1997 in the form of Arjovsky, Shah & Bengio 2016).

A few symbols, a long silence, a cue; then say the symbols, in order. With 3 symbols and a delay of 5:

    input   2 7 1 . . . . C . . .
    answer  . . . . . . . . 2 7 1

Blanks (`.`) are symbol 0, the cue (`C`) follows the alphabet. A predictor without memory knows where the symbols
are due, but not which: K·ln(alphabet) nats over all T + 2K steps.
"""

import math
from dataclasses import dataclass

import numpy as np

import harness


@dataclass(frozen=True)
class CopyMemory(harness.Task):
    """`symbols` (K) of an alphabet, to be remembered over `delay` (T) steps; T + 2K steps in all.

    The first answer is due one step after the cue. Every step counts for the loss, as in the paper; `recall`
    counts the last K steps alone: right answers on blanks say nothing. Solved: recall ≥ 0.99 three times in a row.
    """

    about = harness.About(
        name="copy_memory",
        title="copy memory problem",
        paper="Hochreiter & Schmidhuber 1997; Arjovsky et al. 2016, arXiv:1511.06464",
    )
    symbols: int = 10
    alphabet: int = 8
    delay: int = 100

    def __post_init__(self) -> None:
        for name, least in (("symbols", 1), ("alphabet", 2), ("delay", 1)):
            if getattr(self, name) < least:
                found = getattr(self, name)
                raise harness.HarnessError(f"wanted {name} of at least {least} for copy_memory, found {found}")

    @property
    def length(self) -> int:
        """T + 2K steps."""
        return self.delay + 2 * self.symbols

    def problem(self) -> harness.Problem:
        """Blank, alphabet and cue in, one-hot; blank or alphabet out, at every step."""
        # Recall leads although it ties at 1: a cell at 1 is solved, and the earlier of two such evaluations stays. The
        # cross-entropy has no ties, but is mostly that of blanks: it would choose, and rank, by confidence in silence.
        return harness.Problem(
            kind=harness.Kind.SEQUENCE_TO_SEQUENCE,
            source=harness.Real(self.alphabet + 2),
            target=harness.Symbols(self.alphabet + 1),
            metrics=(harness.Metric(name="recall", better="higher"), harness.Metric(name="cross_entropy", unit="nat")),
            solved=harness.Criterion(metric="recall", threshold=0.99, better="higher"),
        )

    def batch(self, rng: np.random.Generator, size: int) -> harness.Batch:
        """`x`: [T + 2K, B, alphabet + 2] one-hot; `target`: [T + 2K, B]."""
        remembered = rng.integers(1, self.alphabet + 1, (self.symbols, size))
        heard = np.zeros((self.length, size), dtype=np.int64)
        heard[: self.symbols] = remembered
        heard[self.symbols + self.delay - 1] = self.alphabet + 1
        target = np.zeros_like(heard)
        target[-self.symbols :] = remembered
        return harness.Batch(x=np.eye(self.alphabet + 2, dtype=np.float32)[heard], target=target)

    def score(self, batch: harness.Batch, prediction: np.ndarray) -> dict[str, tuple[float, float]]:
        """The share of right symbols among the last K, and the cross-entropy a step over all T + 2K."""
        due = slice(-self.symbols, None)
        right = prediction[due].argmax(axis=-1) == batch.target[due]
        logits = prediction.astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        of_target = np.take_along_axis(logits, batch.target[..., None], axis=-1)
        nats = np.log(np.exp(logits).sum(axis=-1)).sum() - of_target.sum()
        return {"recall": (float(right.sum()), right.size), "cross_entropy": (float(nats), batch.target.size)}

    def baseline(self) -> dict[str, float]:
        """Sure of the blanks, uniform over the alphabet where a symbol is due."""
        return {"recall": 1 / self.alphabet, "cross_entropy": self.symbols * math.log(self.alphabet) / self.length}


@harness.hookimpl
def harness_tasks() -> list[harness.Task]:
    """The copy memory problem."""
    return [CopyMemory()]
