"""The gated recurrent unit whose reset gate acts before the recurrent product."""

from collections.abc import Iterable
from dataclasses import dataclass

import harness
from harness_cells.examples import read_examples


@dataclass(frozen=True)
class GRUResetBefore(harness.Cell):
    """r = σ(W_xr x + W_hr h + b_r), u = σ(W_xu x + W_hu h + b_u), h' = tanh(W_xh x + W_hh (r ∘ h) + b_h),
    h ← (1−u) ∘ h + u ∘ h'

    Cho et al. (2014), last version, with the update gate of Chung et al. (2014): u says how much is *new*. The reset
    gate acts *before* the recurrent product, so a step has two products that wait for each other. Rows in
    the order r, u, h'; one bias. Not interchangeable by weights with `gru`.
    """

    about = harness.About(
        name="gru_reset_before",
        title="GRU (reset before the product)",
        paper="Cho et al. 2014, arXiv:1406.1078v3; Chung et al. 2014, arXiv:1412.3555",
    )

    def parameters(self, I, H):
        """The gates' rows stacked: r, u, h'."""
        return {"weight_ih": (3 * H, I), "weight_hh": (3 * H, H), "bias": (3 * H,)}

    def step(self, ops, p, x, state):
        """Reset, then propose from what is left, then interpolate."""
        (h,) = state
        w_r, w_u, w_h = ops.split(p["weight_hh"].T, 3)
        x_r, x_u, x_h = ops.split(x @ p["weight_ih"].T + p["bias"], 3)
        r = ops.sigmoid(x_r + h @ w_r)
        u = ops.sigmoid(x_u + h @ w_u)
        candidate = ops.tanh(x_h + (r * h) @ w_h)
        h = (1 - u) * h + u * candidate
        return (h,)

    def examples(self) -> Iterable[harness.Example]:
        """Computed by ONNX's GRU with linear_before_reset = 0, its update gate negated."""
        return read_examples("gru_reset_before")
