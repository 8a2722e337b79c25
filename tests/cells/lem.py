"""Long expressive memory."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class LEM(harness.Cell):
    """s = Δt σ(W_s y + V_s x + b_s), t = Δt σ(W_t y + V_t x + b_t), z ← (1 − s) ∘ z + s ∘ tanh(W_z y + V_z x + b_z),
    y ← (1 − t) ∘ y + t ∘ tanh(W_y z + V_y x + b_y)

    The output y moves towards what the *new* memory z says. Rows in the order s, t, z, y; those of the last read z.
    """

    about = harness.About(
        name="lem", title="Long expressive memory", paper="Rusch, Mishra, Erichson & Mahoney 2022, arXiv:2110.04744"
    )
    dt: float = 1.0

    def states(self, I, H):
        return {"y": (H,), "z": (H,)}

    def parameters(self, I, H):
        return {"weight_x": (4 * H, I), "weight_y": (3 * H, H), "weight_z": (H, H), "bias": (4 * H,)}

    def step(self, ops, p, x, state):
        y, z = state
        x_s, x_t, x_z, x_y = ops.split(x @ p["weight_x"].T + p["bias"], 4)
        y_s, y_t, y_z = ops.split(y @ p["weight_y"].T, 3)
        s = self.dt * ops.sigmoid(x_s + y_s)
        t = self.dt * ops.sigmoid(x_t + y_t)
        z = (1 - s) * z + s * ops.tanh(x_z + y_z)
        y = (1 - t) * y + t * ops.tanh(x_y + z @ p["weight_z"].T)
        return y, z


@harness.hookimpl
def harness_cells():
    return [LEM()]
