"""A minimal gated unit whose gate sees the state alone."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class MGU2(harness.Cell):
    """f = σ(W_hf h), h' = tanh(W_xh x + W_hh (f ∘ h) + b_h), h ← (1 − f) ∘ h + f ∘ h'

    The second of the three simplified gates: neither the input nor a bias.
    """

    about = harness.About(
        name="mgu2", title="MGU2: a gate of the state alone", paper="Heck & Salem 2017, arXiv:1701.03452"
    )

    def parameters(self, I, H):
        return {"weight_x": (H, I), "weight_hf": (H, H), "weight_hh": (H, H), "bias": (H,)}

    def step(self, ops, p, x, state):
        (h,) = state
        f = ops.sigmoid(h @ p["weight_hf"].T)
        candidate = ops.tanh(x @ p["weight_x"].T + (f * h) @ p["weight_hh"].T + p["bias"])
        return ((1 - f) * h + f * candidate,)


@harness.hookimpl
def harness_cells():
    return [MGU2()]
