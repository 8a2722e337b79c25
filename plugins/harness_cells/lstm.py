"""Long short-term memory."""

from collections.abc import Iterable
from dataclasses import dataclass

import harness
from harness_cells.examples import read_examples


@dataclass(frozen=True)
class LSTM(harness.Cell):
    """i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh), g = tanh(likewise), c ← f ∘ c + i ∘ g, h ← o ∘ tanh(c)

    Hochreiter & Schmidhuber (1997) with the forget gate of Gers, Schmidhuber & Cummins (2000). Rows of the
    weights in the order i, f, g, o, with two biases: torch.nn.LSTM's. `forget_bias` sets the forget gate's slice
    of bias_ih to that number and of bias_hh to 0 (Jozefowicz, Zaremba & Sutskever 2015 recommend 1); none leaves
    torch's U(−1/√H, 1/√H).
    """

    about = harness.About(
        name="lstm",
        title="LSTM (i, f, g, o)",
        paper="Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735; Gers et al. 2000",
    )
    forget_bias: float | None = None

    def states(self, I, H):
        """The output h and the memory c."""
        return {"h": (H,), "c": (H,)}

    def parameters(self, I, H):
        """The four gates' rows stacked: i, f, g, o."""
        return {"weight_ih": (4 * H, I), "weight_hh": (4 * H, H), "bias_ih": (4 * H,), "bias_hh": (4 * H,)}

    def initialise(self, rng, I, H):
        """torch's initial weights; the forget gate's bias as the option says."""
        weights = super().initialise(rng, I, H)
        if self.forget_bias is not None:
            forget = slice(H, 2 * H)
            weights["bias_ih"][forget] = self.forget_bias
            weights["bias_hh"][forget] = 0.0
        return weights

    def step(self, ops, p, x, state):
        """Forget, write, read."""
        h, c = state
        gates = x @ p["weight_ih"].T + p["bias_ih"] + h @ p["weight_hh"].T + p["bias_hh"]
        i, f, g, o = ops.split(gates, 4)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        h = ops.sigmoid(o) * ops.tanh(c)
        return h, c

    def examples(self) -> Iterable[harness.Example]:
        """Computed by torch.nn.LSTM."""
        return read_examples("lstm")
