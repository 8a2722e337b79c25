"""The recurrent highway network, three layers deep within a step."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class RHN(harness.Cell):
    """s_0 = h, s_k = tanh(W_k x + R_k s_(k−1) + b_k) ∘ t_k + s_(k−1) ∘ (1 − t_k),
    t_k = σ(V_k x + Q_k s_(k−1) + d_k), h ← s_3

    The input enters the first layer alone; carry gates are 1 − t. Each layer's products wait for the one before.
    """

    about = harness.About(
        name="rhn",
        title="Recurrent highway network of depth 3",
        paper="Zilly, Srivastava, Koutník & Schmidhuber 2017, arXiv:1607.03474",
    )

    def parameters(self, I, H):
        return {"weight_x": (2 * H, I), **{f"weight_{k}": (2 * H, H) for k in (1, 2, 3)}, "bias": (6 * H,)}

    def step(self, ops, p, x, state):
        (s,) = state
        biases = ops.split(p["bias"], 3)
        for k in (1, 2, 3):
            both = s @ p[f"weight_{k}"].T + biases[k - 1]
            candidate, t = ops.split(both + x @ p["weight_x"].T if k == 1 else both, 2)
            t = ops.sigmoid(t)
            s = ops.tanh(candidate) * t + s * (1 - t)
        return (s,)


@harness.hookimpl
def harness_cells():
    return [RHN()]
