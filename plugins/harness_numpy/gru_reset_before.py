"""The GRU, reset before the product, by hand.

r, u = σ(W_ih x + b + W_hh h), h' = tanh(W_xh x + b_h + W_hh (r ∘ h)), h ← h + u ∘ (h' − h).
"""

from collections.abc import Collection
from itertools import repeat

import numpy as np

from harness_numpy import products
from harness_numpy.products import Array, Call

# σ(a) = ½ tanh(½ a) + ½, the inner ½ in the weights of r and u.
SCALE = (0.5, 0.5, 1.0)


def forward(call: Call, keep: bool) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:
    """y: [T, B, H], the final h, and with `keep` the gates r, u, h', [3, T, B, H], and every r ∘ h, [T, B, H]."""
    x, (h,), p = call.x, call.state, call.weights
    (T, B, _), H = x.shape, h.shape[1]
    scale = np.array(SCALE, x.dtype)
    y = np.empty((T, B, H), x.dtype)
    resets = np.empty((T if keep else 1, B, H), x.dtype)
    outputs, reset = iter(y), iter(resets) if keep else repeat(resets[0])
    weight_ih, bias = products.gate_major(p["weight_ih"], scale), products.gate_major(p["bias"], scale)
    weight_hh = products.gate_major(p["weight_hh"], scale)
    ru, multiply = products.recurrent(weight_hh[:2], B)
    (new,), propose = products.recurrent(weight_hh[2:], B)
    (r, u), half = ru, np.array(0.5, x.dtype)
    for gates in products.hoisted(x, weight_ih, bias, keep):
        for a_ru, a_new, h_t, rh in zip(gates[:2].swapaxes(0, 1), gates[2], outputs, reset, strict=False):
            multiply(h)
            np.add(a_ru, ru, out=ru)
            np.tanh(ru, out=ru)
            np.multiply(ru, half, out=ru)
            np.add(ru, half, out=ru)
            np.multiply(r, h, out=rh)
            propose(rh)
            np.add(a_new, new, out=new)
            np.tanh(new, out=new)
            np.subtract(new, h, out=h_t)
            np.multiply(h_t, u, out=h_t)
            np.add(h_t, h, out=h_t)
            if keep:
                a_ru[...], a_new[...] = ru, new
            h = h_t
    return y, (h.copy(),), (gates, resets) if keep else ()


def backward(
    call: Call, y: Array, kept: tuple[Array, ...], cotangents: tuple[Array, ...], wanted: Collection[str]
) -> dict[str, Array]:
    """The wanted gradients by name; `cotangents`: of y, [T, B, H], and of the final h, [B, H]."""
    (T, B, H), (gates, resets) = y.shape, kept
    slopes, d_h = _slopes(call, y, gates, cotangents)
    found = {"h": d_h} | products.input_gradients(call, slopes, wanted)
    if "weight_hh" in wanted:
        gated = products.recurrent_gradient(slopes[:, :, : 2 * H], call.state[0], y)
        proposed = np.matmul(slopes[:, :, 2 * H :].reshape(T * B, H).T, resets.reshape(T * B, H))
        found["weight_hh"] = np.concatenate([gated, proposed])
    if "bias" in wanted:
        found["bias"] = products.column_sums(slopes)
    return found


def _slopes(call: Call, y: Array, gates: Array, cotangents: tuple[Array, ...]) -> tuple[Array, Array]:
    """∂loss/∂(r, u, h' before their squashing), [T, B, 3H], and the gradient of the initial h."""
    d_y, d_h = cotangents
    T, B, H = y.shape
    gated, proposed = np.split(np.ascontiguousarray(call.weights["weight_hh"]), [2 * H])
    slopes = np.empty((T, B, 3 * H), y.dtype)
    places, d_h = products.steps_of(slopes, 3), d_h.copy()
    d_reset, carried = np.empty_like(d_h), np.empty_like(d_h)
    for block in products.blocks_backward(T, B * H):
        factors, kept = _factors(gates[:, block], products.before(call.state[0], y, block))
        steps = zip(
            d_y[block], factors.swapaxes(0, 1), kept, gates[0, block], places[block], slopes[block], strict=True
        )
        for d_y_t, factor, kept_t, r, place, slope in reversed(list(steps)):
            np.add(d_h, d_y_t, out=d_h)
            np.multiply(factor[1:], d_h, out=place[1:])
            np.multiply(d_h, kept_t, out=carried)
            np.dot(slope[:, 2 * H :], proposed, out=d_reset)
            np.multiply(factor[0], d_reset, out=place[0])
            np.multiply(d_reset, r, out=d_reset)
            np.dot(slope[:, : 2 * H], gated, out=d_h)
            np.add(d_h, carried, out=d_h)
            np.add(d_h, d_reset, out=d_h)
    return slopes, d_h


def _factors(gates: Array, h: Array) -> tuple[Array, Array]:
    """What the slopes of a block are ∂loss/∂(r ∘ h) (for r) and ∂loss/∂(new h) (for u, h') times, and 1 − u.

    `gates`: [3, steps, B, H]; `h`, the state before each step: [steps, B, H]. Returns arrays of these two shapes.
    """
    r, u, new = gates
    by_r, by_u, by_new = factors = products.step_major(gates.shape, gates.dtype)
    kept = np.subtract(1, u)
    np.subtract(1, r, out=by_r)
    by_r *= r
    by_r *= h
    np.subtract(new, h, out=by_u)
    by_u *= u
    by_u *= kept
    np.multiply(new, new, out=by_new)
    np.subtract(1, by_new, out=by_new)
    by_new *= u
    return factors, kept
