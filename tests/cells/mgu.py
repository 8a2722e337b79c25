"""The minimal gated unit, as somebody outside this repository would write it: one file, no packaging."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class MGU(harness.Cell):
    """f = σ(W_xf x + W_hf h + b_f), h' = tanh(W_xh x + W_hh (f ∘ h) + b_h), h ← (1−f) ∘ h + f ∘ h'."""

    about = harness.About(name="mgu", title="Minimal gated unit", paper="Zhou et al. 2016, arXiv:1603.09420")

    def parameters(self, I, H):
        return {"weight_x": (2 * H, I), "weight_hf": (H, H), "weight_hh": (H, H), "bias": (2 * H,)}

    def step(self, ops, p, x, state):
        (h,) = state
        x_f, x_h = ops.split(x @ p["weight_x"].T + p["bias"], 2)
        f = ops.sigmoid(x_f + h @ p["weight_hf"].T)
        candidate = ops.tanh(x_h + (f * h) @ p["weight_hh"].T)
        return ((1 - f) * h + f * candidate,)


@harness.hookimpl
def harness_cells():
    return [MGU()]
