"""Echo: at every step, say the symbol that was heard some steps ago.

heard   2 0 1 3 3 1
answer  . . 2 0 1 3      with a delay of 2
"""

from dataclasses import dataclass

import numpy as np

import harness


@dataclass(frozen=True)
class Echo(harness.Task):
    """Symbols of an alphabet, `length` of them; from step `delay` on the answer is the symbol `delay` steps back.

    Solved: 99 % right on three evaluations in a row.
    """

    about = harness.About(name="echo", title="say what was heard some steps ago")
    delay: int = 4
    alphabet: int = 4
    length: int = 20

    def __post_init__(self):
        if not 1 <= self.delay < self.length or self.alphabet < 2:
            found = f"delay {self.delay}, length {self.length}, alphabet {self.alphabet}"
            raise harness.HarnessError(
                f"wanted a delay from 1 to below the length and two symbols at least, found {found}"
            )

    def problem(self):
        """A symbol in, a symbol out, at every step."""
        return harness.Problem(
            kind=harness.Kind.SEQUENCE_TO_SEQUENCE,
            source=harness.Symbols(self.alphabet),
            target=harness.Symbols(self.alphabet),
            metrics=(harness.Metric(name="right", better="higher"),),
            solved=harness.Criterion(metric="right", threshold=0.99, better="higher"),
        )

    def batch(self, rng, size):
        """`x` and `target`: [T, B]; the mask leaves out the first `delay` steps, when nothing is due."""
        x = rng.integers(0, self.alphabet, (self.length, size))
        target, mask = np.zeros_like(x), np.zeros(x.shape, dtype=bool)
        target[self.delay :], mask[self.delay :] = x[: -self.delay], True
        return harness.Batch(x=x, target=target, mask=mask)

    def score(self, batch, prediction):
        """The share of right symbols where one is due."""
        right = prediction[batch.mask].argmax(axis=-1) == batch.target[batch.mask]
        return {"right": (float(right.sum()), right.size)}

    def baseline(self):
        """Who remembers nothing guesses."""
        return {"right": 1 / self.alphabet}


@harness.hookimpl
def harness_tasks():
    """What this module offers."""
    return [Echo()]
