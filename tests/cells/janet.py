"""The forget gate is all you need."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class JANET(harness.Cell):
    """s = W_xs x + W_hs h + b_s, c' = tanh(W_xc x + W_hc h + b_c), c ← σ(s) ∘ c + (1 − σ(s − β)) ∘ c', h = c

    β lets more of the candidate in than the gate forgets; the output is the memory itself. Rows in the order s, c'.
    """

    about = harness.About(
        name="janet",
        title="JANET: an LSTM with a forget gate alone",
        paper="van der Westhuizen & Lasenby 2018, arXiv:1804.04849",
    )
    beta: float = 1.0

    def parameters(self, I, H):
        return {"weight_x": (2 * H, I), "weight_h": (2 * H, H), "bias": (2 * H,)}

    def step(self, ops, p, x, state):
        (h,) = state
        s, c = ops.split(x @ p["weight_x"].T + h @ p["weight_h"].T + p["bias"], 2)
        candidate = ops.tanh(c)
        return (ops.sigmoid(s) * h + (1 - ops.sigmoid(s - self.beta)) * candidate,)


@harness.hookimpl
def harness_cells():
    return [JANET()]
