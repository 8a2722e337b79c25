"""The gated recurrent unit whose reset gate acts after the recurrent product."""

from collections.abc import Iterable
from dataclasses import dataclass

import harness
from harness_cells.examples import read_examples


@dataclass(frozen=True)
class GRU(harness.Cell):
    """r, z = σ(W_ih x + b_ih + W_hh h + b_hh), n = tanh(W_in x + b_in + r ∘ (W_hn h + b_hn)), h ← (1−z) ∘ n + z ∘ h

    Cho et al. (2014), first version: the reset gate acts *after* the recurrent product, which needs a recurrent
    bias b_hn of its own inside the reset; torch.nn.GRU's and cuDNN's convention. Rows in the order r, z, n. Not
    interchangeable by weights with `gru_reset_before`.
    """

    about = harness.About(
        name="gru",
        title="GRU (reset after the product)",
        paper="Cho et al. 2014, arXiv:1406.1078v1",
    )

    def parameters(self, I, H):
        """The gates' rows stacked: r, z, n."""
        return {"weight_ih": (3 * H, I), "weight_hh": (3 * H, H), "bias_ih": (3 * H,), "bias_hh": (3 * H,)}

    def step(self, ops, p, x, state):
        """Reset, propose, interpolate."""
        (h,) = state
        x_r, x_z, x_n = ops.split(x @ p["weight_ih"].T + p["bias_ih"], 3)
        h_r, h_z, h_n = ops.split(h @ p["weight_hh"].T + p["bias_hh"], 3)
        r = ops.sigmoid(x_r + h_r)
        z = ops.sigmoid(x_z + h_z)
        n = ops.tanh(x_n + r * h_n)
        h = (1 - z) * n + z * h
        return (h,)

    def examples(self) -> Iterable[harness.Example]:
        """Computed by torch.nn.GRU."""
        return read_examples("gru")
