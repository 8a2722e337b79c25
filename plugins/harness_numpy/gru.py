"""The GRU, reset after the product, by hand.

r, z = σ(W_ih x + b_ih + W_hh h + b_hh), n = tanh(W_in x + b_in + r ∘ m), m = W_hn h + b_hn, h ← n + z ∘ (h − n).
"""

from collections.abc import Collection
from itertools import repeat

import numpy as np

from harness_numpy import products
from harness_numpy.products import Array, Call

# σ(a) = ½ tanh(½ a) + ½, the inner ½ in the weights of r and z.
SCALE = (0.5, 0.5, 1.0)


def forward(call: Call, keep: bool) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:
    """y: [T, B, H], the final h, and with `keep` the gates r, z, n, [3, T, B, H], and every m, [T, B, H]."""
    x, (h,), p = call.x, call.state, call.weights
    (T, B, _), H = x.shape, h.shape[1]
    scale = np.array(SCALE, x.dtype)
    y = np.empty((T, B, H), x.dtype)
    recalled = np.empty((T if keep else 1, B, H), x.dtype)
    outputs, recalls = iter(y), iter(recalled) if keep else repeat(recalled[0])
    weight_ih = products.gate_major(p["weight_ih"], scale)
    bias, bias_n = p["bias_ih"].copy(), p["bias_hh"][2 * H :]
    bias[: 2 * H] += p["bias_hh"][: 2 * H]
    bias = products.gate_major(bias, scale)
    gate, multiply = products.recurrent(products.gate_major(p["weight_hh"], scale), B)
    rz, (r, z, n) = gate[:2], gate
    half, bias_n = np.array(0.5, x.dtype), np.repeat(bias_n[None], B, axis=0)
    for gates in products.hoisted(x, weight_ih, bias, keep):
        steps = zip(gates.swapaxes(0, 1), gates[:2].swapaxes(0, 1), gates[2], outputs, recalls, strict=False)
        for a, a_rz, a_n, h_t, m in steps:
            multiply(h)
            np.add(a_rz, rz, out=rz)
            np.tanh(rz, out=rz)
            np.multiply(rz, half, out=rz)
            np.add(rz, half, out=rz)
            np.add(n, bias_n, out=m)
            np.multiply(r, m, out=n)
            np.add(a_n, n, out=n)
            np.tanh(n, out=n)
            np.subtract(h, n, out=h_t)
            np.multiply(h_t, z, out=h_t)
            np.add(h_t, n, out=h_t)
            if keep:
                a[...] = gate
            h = h_t
    return y, (h.copy(),), (gates, recalled) if keep else ()


def backward(
    call: Call, y: Array, kept: tuple[Array, ...], cotangents: tuple[Array, ...], wanted: Collection[str]
) -> dict[str, Array]:
    """The wanted gradients by name; `cotangents`: of y, [T, B, H], and of the final h, [B, H]."""
    (h,), H = call.state, y.shape[2]
    slopes, d_h = _slopes(call, y, kept, cotangents)
    found = {"h": d_h} | products.input_gradients(call, slopes[:, :, H:], wanted)
    if "weight_hh" in wanted:
        found["weight_hh"] = np.roll(products.recurrent_gradient(slopes[:, :, : 3 * H], h, y), -H, axis=0)
    if wanted & {"bias_ih", "bias_hh"}:
        sums = products.column_sums(slopes)
        found["bias_ih"], found["bias_hh"] = sums[H:].copy(), np.roll(sums[: 3 * H], -H)
    return found


def _slopes(call: Call, y: Array, kept: tuple[Array, ...], cotangents: tuple[Array, ...]) -> tuple[Array, Array]:
    """∂loss/∂(m, r, z, n before their squashing), [T, B, 4H], and the gradient of the initial h.

    In this order the first three are the recurrent product's own (with m's row first) and the last three the input
    product's: two overlapping views, nothing copied.
    """
    gates, recalled = kept
    d_y, d_h = cotangents
    _, T, B, H = gates.shape
    weight_hh = np.roll(call.weights["weight_hh"], H, axis=0)
    slopes = np.empty((T, B, 4 * H), gates.dtype)
    places, d_h, carried = products.steps_of(slopes, 4), d_h.copy(), np.empty((B, H), gates.dtype)
    for block in products.blocks_backward(T, B * H):
        factors = _factors(gates[:, block], recalled[block], products.before(call.state[0], y, block))
        steps = zip(
            d_y[block], factors.swapaxes(0, 1), gates[1, block], places[block], slopes[block, :, : 3 * H], strict=True
        )
        for d_y_t, factor, z, place, slope in reversed(list(steps)):
            np.add(d_h, d_y_t, out=d_h)
            np.multiply(factor, d_h, out=place)
            np.multiply(d_h, z, out=carried)
            np.dot(slope, weight_hh, out=d_h)
            np.add(d_h, carried, out=d_h)
    return slopes, d_h


def _factors(gates: Array, m: Array, h: Array) -> Array:
    """What the slopes of a block are ∂loss/∂(new h) times, in the order m, r, z, n: [4, steps, B, H].

    `gates`: [3, steps, B, H]; `m` and `h`, the state before each step: [steps, B, H].
    """
    r, z, n = gates
    by_m, by_r, by_z, by_n = factors = products.step_major((4, *m.shape), m.dtype)
    np.multiply(n, n, out=by_n)
    np.subtract(1, by_n, out=by_n)
    kept = np.subtract(1, z)
    by_n *= kept
    np.multiply(by_n, r, out=by_m)
    np.subtract(1, r, out=by_r)
    by_r *= m
    by_r *= by_m
    np.subtract(h, n, out=by_z)
    by_z *= z
    by_z *= kept
    return factors
