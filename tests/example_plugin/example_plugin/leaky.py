"""Leaky integrator: every unit learns how fast it follows (Jaeger et al. 2007, doi:10.1016/j.neunet.2007.04.016)."""

from dataclasses import dataclass

import numpy as np

import harness


@dataclass(frozen=True)
class Leaky(harness.Cell):
    """a = σ(rate), h ← (1−a) ∘ h + a ∘ tanh(W_ih x + W_hh h + b)."""

    about = harness.About(name="leaky", title="Leaky integrator", paper="Jaeger et al. 2007", version=1)

    def parameters(self, I, H):
        """A rate a unit, before its sigmoid, beside an RNN's weights."""
        return {"weight_ih": (H, I), "weight_hh": (H, H), "bias": (H,), "rate": (H,)}

    def step(self, ops, p, x, state):
        """x: [B, I] and h: [B, H] → the new h: [B, H]."""
        (h,) = state
        a = ops.sigmoid(p["rate"])
        return ((1 - a) * h + a * ops.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T + p["bias"]),)

    def examples(self):
        """By hand: without weights a unit loses half of its state a step at rate 0."""
        weights = {name: np.zeros(shape) for name, shape in self.parameters(1, 1).items()}
        y = np.array([[[0.5]], [[0.25]]])
        state = (np.ones((1, 1)),)
        return [
            harness.Example(source="by hand", x=np.zeros((2, 1, 1)), state=state, weights=weights, y=y, final=(y[1],))
        ]


@harness.hookimpl
def harness_cells():
    """What this module offers."""
    return [Leaky()]
