"""The LSTM whose gates look at the memory."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class PeepholeLSTM(harness.Cell):
    """i, f = σ(W x + U h + b + p ∘ c), g = tanh(W x + U h + b), c ← f ∘ c + i ∘ g,
    o = σ(W x + U h + b + p_o ∘ c), h ← o ∘ tanh(c)

    The peepholes p are diagonal; those of i and f see the old memory, that of o the *new* one. Rows in the order
    i, f, g, o; peepholes i, f, o.
    """

    about = harness.About(
        name="peephole_lstm", title="LSTM with peepholes", paper="Gers, Schraudolph & Schmidhuber 2002, JMLR 3:115-143"
    )

    def states(self, I, H):
        return {"h": (H,), "c": (H,)}

    def parameters(self, I, H):
        return {"weight_x": (4 * H, I), "weight_h": (4 * H, H), "bias": (4 * H,), "peepholes": (3 * H,)}

    def step(self, ops, p, x, state):
        h, c = state
        i, f, g, o = ops.split(x @ p["weight_x"].T + h @ p["weight_h"].T + p["bias"], 4)
        p_i, p_f, p_o = ops.split(p["peepholes"], 3)
        i = ops.sigmoid(i + p_i * c)
        f = ops.sigmoid(f + p_f * c)
        c = f * c + i * ops.tanh(g)
        o = ops.sigmoid(o + p_o * c)
        return o * ops.tanh(c), c


@harness.hookimpl
def harness_cells():
    return [PeepholeLSTM()]
