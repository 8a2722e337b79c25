"""The update gate RNN."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class UGRNN(harness.Cell):
    """g = σ(W_gx x + W_gh h + b_g), c = tanh(W_cx x + W_ch h + b_c), h ← g ∘ h + (1 − g) ∘ c

    Rows in the order g, c.
    """

    about = harness.About(
        name="ugrnn", title="Update gate RNN", paper="Collins, Sohl-Dickstein & Sussillo 2017, arXiv:1611.09913"
    )

    def parameters(self, I, H):
        return {"weight_x": (2 * H, I), "weight_h": (2 * H, H), "bias": (2 * H,)}

    def step(self, ops, p, x, state):
        (h,) = state
        g, c = ops.split(ops.concat([x, h]) @ ops.concat([p["weight_x"], p["weight_h"]]).T + p["bias"], 2)
        g = ops.sigmoid(g)
        c = ops.tanh(c)
        return (g * h + (1 - g) * c,)


@harness.hookimpl
def harness_cells():
    return [UGRNN()]
