"""The plain recurrent network."""

from collections.abc import Iterable
from dataclasses import dataclass

import harness
from harness_cells.examples import read_examples


@dataclass(frozen=True)
class RNN(harness.Cell):
    """h ← tanh(W_ih x + b_ih + W_hh h + b_hh)

    Elman, "Finding structure in time" (1990). Names and the two biases are torch.nn.RNN's.
    """

    about = harness.About(
        name="rnn",
        title="Plain RNN (tanh)",
        paper="Elman 1990, doi:10.1207/s15516709cog1402_1",
    )

    def parameters(self, I, H):
        """Both weights and both biases."""
        return {"weight_ih": (H, I), "weight_hh": (H, H), "bias_ih": (H,), "bias_hh": (H,)}

    def step(self, ops, p, x, state):
        """One tanh of the new input and the old state."""
        (h,) = state
        h = ops.tanh(x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"])
        return (h,)

    def examples(self) -> Iterable[harness.Example]:
        """Computed by torch.nn.RNN."""
        return read_examples("rnn")
