"""Layers with one fault each, by name: numbers that an author's implementation may get wrong."""

from dataclasses import dataclass

import torch

from harness import About
from harness.layer import CellLayer
from harness.ops import TorchOps
from harness.unroll import unroll

MADE = {}
"""By name, those of manners.py too: the cell it is about, and a function (layer, x, state) → (y, final)."""


def mutant(cell="lstm"):
    def keep(run):
        MADE[run.__name__] = (cell, run)
        return run

    return keep


def loop(layer, x, state, weights=None):
    y, final = unroll(layer.cell, TorchOps(), weights or layer.weights(), x, state)
    return torch.stack(y), tuple(part.clone() for part in final)


def reordered(layer, order):
    def turned(weight):
        parts = weight.chunk(len(order))
        return torch.cat([parts[k] for k in order])

    return {name: turned(weight) for name, weight in layer.weights().items()}


@mutant()
def gates_swapped(layer, x, state):
    return loop(layer, x, state, reordered(layer, (1, 0, 2, 3)))


@mutant()
def gates_in_keras_order(layer, x, state):
    return loop(layer, x, state, reordered(layer, (0, 1, 3, 2)))


@mutant("gru")
def gru_gates_swapped(layer, x, state):
    return loop(layer, x, state, reordered(layer, (1, 0, 2)))


@mutant("gru")
def gru_other_update_convention(layer, x, state):
    weights = dict(layer.weights())
    for name, weight in weights.items():
        r, z, n = weight.chunk(3)
        weights[name] = torch.cat([r, -z, n])
    return loop(layer, x, state, weights)


@mutant()
def bias_missing(layer, x, state):
    weights = layer.weights()
    return loop(layer, x, state, {**weights, "bias_hh": 0 * weights["bias_hh"]})


@mutant("gru")
def recurrent_bias_outside_the_reset(layer, x, state):
    weights = layer.weights()
    bias = weights["bias_ih"] + weights["bias_hh"]
    return loop(layer, x, state, {**weights, "bias_ih": bias, "bias_hh": 0 * weights["bias_hh"]})


@mutant()
def all_biases_missing(layer, x, state):
    return loop(layer, x, state, {n: 0 * w if w.ndim == 1 else w for n, w in layer.weights().items()})


@mutant("rnn")
def recurrent_weight_transposed(layer, x, state):
    weights = layer.weights()
    return loop(layer, x, state, {**weights, "weight_hh": weights["weight_hh"].T})


@mutant()
def initial_state_ignored(layer, x, state):
    return loop(layer, x, tuple(torch.zeros_like(part) for part in state))


@mutant()
def state_not_carried(layer, x, state):
    steps = [loop(layer, x[t : t + 1], state) for t in range(len(x))]
    return torch.cat([y for y, _ in steps]), steps[-1][1]


@mutant()
def runs_backwards(layer, x, state):
    return loop(layer, x.flip(0), state)


@mutant()
def final_state_of_the_step_before(layer, x, state):
    y, _ = loop(layer, x, state)
    return y, loop(layer, x[:-1], state)[1] if len(x) > 1 else tuple(part.clone() for part in state)


@mutant()
def final_states_swapped(layer, x, state):
    y, (h, c) = loop(layer, x, state)
    return y, (c, h)


@mutant()
def final_state_is_the_initial_one(layer, x, state):
    return loop(layer, x, state)[0], tuple(part.clone() for part in state)


@mutant()
def state_detached(layer, x, state):
    outputs = []
    for t in range(len(x)):
        y, state = loop(layer, x[t : t + 1], tuple(part.detach() for part in state))
        outputs.append(y)
    return torch.cat(outputs), state


@mutant()
def input_detached(layer, x, state):
    y, final = loop(layer, x.detach(), state)
    return y + 0 * x.sum(), final


@mutant()
def bias_gets_no_gradient(layer, x, state):
    weights = layer.weights()
    return loop(layer, x, state, {**weights, "bias_ih": weights["bias_ih"].detach() + 0 * weights["bias_ih"]})


@mutant()
def gradient_of_bias_doubled(layer, x, state):
    weights = layer.weights()
    bias = 2 * weights["bias_ih"] - weights["bias_ih"].detach()
    return loop(layer, x, state, {**weights, "bias_ih": bias})


@mutant()
def initial_state_gets_no_gradient(layer, x, state):
    y, final = loop(layer, x, tuple(part.detach() for part in state))
    return y + 0 * sum(part.sum() for part in state), final


@mutant()
def sigmoid_approximated(layer, x, state):
    y, final = loop(layer, x, state)
    return y + 2e-4 * torch.tanh(y.detach()), final


@mutant()
def computes_in_half(layer, x, state):
    y, final = loop(layer, x, state)
    return y.bfloat16().to(y.dtype), final


@mutant()
def float64_by_way_of_float32(layer, x, state):
    y, final = loop(layer, x, state)
    return y.float().to(y.dtype), final


@mutant("rnn")
def batch_rows_mixed(layer, x, state):
    y, final = loop(layer, x + 1e-3 * x.mean(dim=1, keepdim=True), state)
    return y, final


@mutant()
def future_seen(layer, x, state):
    return loop(layer, x + 1e-3 * x.mean(dim=0, keepdim=True), state)


@mutant()
def wrong_beyond_a_width(layer, x, state):
    y, final = loop(layer, x, state)
    return (torch.cat([y[..., :16], 0.999 * y[..., 16:]], dim=-1) if y.shape[-1] > 16 else y), final


@mutant()
def wrong_for_one_step(layer, x, state):
    return loop(layer, x if len(x) > 1 else 1.01 * x, state)


@mutant()
def wrong_for_one_row(layer, x, state):
    return loop(layer, x if x.shape[1] > 1 else 1.01 * x, state)


@mutant()
def long_sequences_forgotten(layer, x, state):
    if len(x) <= 100:
        return loop(layer, x, state)
    first, middle = loop(layer, x[:100], state)
    second, final = loop(layer, x[100:], tuple(0.9 * part for part in middle))
    return torch.cat([first, second]), final


@dataclass(frozen=True)
class Mutated:
    """A backend whose layers run one of the functions above."""

    name: str
    devices = ("cpu",)

    @property
    def about(self):
        return About(name=self.name, title="a mutant")

    def why_not(self, cell, device, dtype):
        return None

    def text(self, cell):
        return ""

    def build(self, cell, plan):
        _, run = MADE[self.name]
        return type("Layer", (CellLayer,), {"run": run})(cell, plan)
