"""Units that hear nothing of each other."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class IndRNN(harness.Cell):
    """h ← relu(W x + u ∘ h + b)

    The recurrent weights u are a vector: no product with the state.
    """

    about = harness.About(
        name="indrnn", title="Independently recurrent network", paper="Li, Li, Cook, Zhu & Gao 2018, arXiv:1803.04831"
    )

    def parameters(self, I, H):
        return {"weight_x": (H, I), "u": (H,), "bias": (H,)}

    def step(self, ops, p, x, state):
        (h,) = state
        return (ops.relu(x @ p["weight_x"].T + p["u"] * h + p["bias"]),)


@harness.hookimpl
def harness_cells():
    return [IndRNN()]
