"""The LSTM by hand.

i, f, o = σ(a), g = tanh(a), a = W_ih x + b_ih + W_hh h + b_hh, c ← f ∘ c + i ∘ g, h ← o ∘ tanh(c).
"""

from collections.abc import Collection
from itertools import repeat

import numpy as np

from harness_numpy import products
from harness_numpy.products import Array, Call

# σ(a) = ½ tanh(½ a) + ½: with the inner ½ in the weights, one tanh serves all four gates i, f, g, o.
SCALE = (0.5, 0.5, 1.0, 0.5)
OFFSET = (0.5, 0.5, 0.0, 0.5)


def forward(call: Call, keep: bool) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:
    """y: [T, B, H], the final h and c, and with `keep` the gates [4, T, B, H] and every c, [T + 1, B, H]."""
    x, (h, c), p = call.x, call.state, call.weights
    (T, B, _), H = x.shape, h.shape[1]
    scale = np.array(SCALE, x.dtype)
    y = np.empty((T, B, H), x.dtype)
    cells = np.empty((T + 1 if keep else 1, B, H), x.dtype)
    cells[0] = c
    outputs, c = iter(y), cells[0]
    memories = iter(cells[1:]) if keep else repeat(c)
    weight_ih = products.gate_major(p["weight_ih"], scale)
    bias = products.gate_major(p["bias_ih"] + p["bias_hh"], scale)
    gate, multiply = products.recurrent(products.gate_major(p["weight_hh"], scale), B)
    (i, f, g, o), written = gate, np.empty((B, H), x.dtype)
    scale, offset = (products.filled(numbers, gate) for numbers in (SCALE, OFFSET))
    for gates in products.hoisted(x, weight_ih, bias, keep):
        for a, h_t, c_t in zip(gates.swapaxes(0, 1), outputs, memories, strict=False):
            multiply(h)
            np.add(a, gate, out=gate)
            np.tanh(gate, out=gate)
            np.multiply(gate, scale, out=gate)
            np.add(gate, offset, out=gate)
            np.multiply(i, g, out=written)
            np.multiply(f, c, out=c_t)
            np.add(c_t, written, out=c_t)
            np.tanh(c_t, out=written)
            np.multiply(o, written, out=h_t)
            if keep:
                a[...] = gate
            h, c = h_t, c_t
    return y, (h.copy(), c.copy()), (gates, cells) if keep else ()


def backward(
    call: Call, y: Array, kept: tuple[Array, ...], cotangents: tuple[Array, ...], wanted: Collection[str]
) -> dict[str, Array]:
    """The wanted gradients by name; `cotangents`: of y, [T, B, H], and of the final h and c, [B, H] each."""
    slopes, d_h, d_c = _slopes(call, kept, cotangents)
    found = {"h": d_h, "c": d_c} | products.input_gradients(call, slopes, wanted)
    if "weight_hh" in wanted:
        found["weight_hh"] = products.recurrent_gradient(slopes, call.state[0], y)
    if wanted & {"bias_ih", "bias_hh"}:
        found["bias_ih"] = products.column_sums(slopes)
        found["bias_hh"] = found["bias_ih"].copy()
    return found


def _slopes(call: Call, kept: tuple[Array, ...], cotangents: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """∂loss/∂a, [T, B, 4H], and the gradients of the initial h and c."""
    gates, cells = kept
    d_y, d_h, d_c = cotangents
    _, T, B, H = gates.shape
    weight_hh = np.ascontiguousarray(call.weights["weight_hh"])
    slopes = np.empty((T, B, 4 * H), gates.dtype)
    places, d_h, d_c = products.steps_of(slopes, 4), d_h.copy(), d_c.copy()
    through = np.empty_like(d_h)
    for block in products.blocks_backward(T, B * H):
        factors, read = _factors(gates[:, block], cells[block.start : block.stop + 1])
        steps = zip(
            d_y[block], factors.swapaxes(0, 1), read, gates[1, block], places[block], slopes[block], strict=True
        )
        for d_y_t, factor, read_t, f, place, slope in reversed(list(steps)):
            np.add(d_h, d_y_t, out=d_h)
            np.multiply(d_h, read_t, out=through)
            np.add(d_c, through, out=d_c)
            np.multiply(factor[:3], d_c, out=place[:3])
            np.multiply(factor[3], d_h, out=place[3])
            np.multiply(d_c, f, out=d_c)
            np.dot(slope, weight_hh, out=d_h)
    return slopes, d_h, d_c


def _factors(gates: Array, cells: Array) -> tuple[Array, Array]:
    """What the slopes of a block are ∂loss/∂c (for i, f, g) and ∂loss/∂h (for o) times, and ∂h/∂c.

    `gates`: [4, steps, B, H]; `cells`: [steps + 1, B, H]; returns [4, steps, B, H] and [steps, B, H].
    """
    i, f, g, o = gates
    factors = products.step_major(gates.shape, gates.dtype)
    np.subtract(1, gates, out=factors)
    by_i, by_f, by_g, by_o = factors
    by_i *= i
    by_i *= g
    by_f *= f
    by_f *= cells[:-1]
    np.multiply(g, g, out=by_g)
    np.subtract(1, by_g, out=by_g)
    by_g *= i
    squashed = np.tanh(cells[1:])
    by_o *= o
    by_o *= squashed
    np.multiply(squashed, squashed, out=squashed)
    np.subtract(1, squashed, out=squashed)
    squashed *= o
    return factors, squashed
