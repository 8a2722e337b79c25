"""The light GRU: no reset gate, a rectified candidate."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class LiGRU(harness.Cell):
    """z = σ(W_z x + U_z h + b_z), h' = relu(W_h x + U_h h + b_h), h ← z ∘ h + (1 − z) ∘ h'

    Without the paper's batch normalisation of W x. Rows in the order z, h'.
    """

    about = harness.About(
        name="ligru",
        title="Light GRU (without batch normalisation)",
        paper="Ravanelli, Brakel, Omologo & Bengio 2018, arXiv:1803.10225",
    )

    def parameters(self, I, H):
        return {"weight_x": (2 * H, I), "weight_h": (2 * H, H), "bias": (2 * H,)}

    def step(self, ops, p, x, state):
        (h,) = state
        z, candidate = ops.split(x @ p["weight_x"].T + h @ p["weight_h"].T + p["bias"], 2)
        z = ops.sigmoid(z)
        return (z * h + (1 - z) * ops.relu(candidate),)


@harness.hookimpl
def harness_cells():
    return [LiGRU()]
