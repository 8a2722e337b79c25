"""The plain RNN by hand: h ← tanh(W_ih x + b_ih + W_hh h + b_hh)."""

from collections.abc import Collection

import numpy as np

from harness_numpy import products
from harness_numpy.products import Array, Call

SCALE = (1.0,)


def forward(call: Call, keep: bool) -> tuple[Array, tuple[Array, ...], tuple[Array, ...]]:  # noqa: ARG001 -- every cell's signature
    """y: [T, B, H], the final state, and nothing to keep: y is all that backward needs."""
    x, (h,), p = call.x, call.state, call.weights
    T, B, I = x.shape
    scale = np.array(SCALE, x.dtype)
    y = np.empty((T, B, h.shape[1]), x.dtype)
    np.dot(x.reshape(T * B, I), p["weight_ih"].T, out=y.reshape(T * B, -1))
    y += p["bias_ih"] + p["bias_hh"]
    (product,), multiply = products.recurrent(products.gate_major(p["weight_hh"], scale), B)
    for h_t in y:
        multiply(h)
        np.add(h_t, product, out=h_t)
        np.tanh(h_t, out=h_t)
        h = h_t
    return y, (h.copy(),), ()


def backward(
    call: Call,
    y: Array,
    kept: tuple[Array, ...],  # noqa: ARG001 -- every cell's signature
    cotangents: tuple[Array, ...],
    wanted: Collection[str],
) -> dict[str, Array]:
    """The wanted gradients by name; `cotangents`: of y, [T, B, H], and of the final h, [B, H]."""
    slopes, d_h = _slopes(call, y, *cotangents)
    found = {"h": d_h} | products.input_gradients(call, slopes, wanted)
    if "weight_hh" in wanted:
        found["weight_hh"] = products.recurrent_gradient(slopes, call.state[0], y)
    if wanted & {"bias_ih", "bias_hh"}:
        found["bias_ih"] = products.column_sums(slopes)
        found["bias_hh"] = found["bias_ih"].copy()
    return found


def _slopes(call: Call, y: Array, d_y: Array, d_final: Array) -> tuple[Array, Array]:
    """∂loss/∂(what is inside tanh), [T, B, H], and ∂loss/∂(initial h), [B, H]."""
    weight_hh = np.ascontiguousarray(call.weights["weight_hh"])
    slopes, d_h = np.empty_like(y), d_final.copy()
    for block in products.blocks_backward(len(y), d_h.size):
        part = slopes[block]
        np.multiply(y[block], y[block], out=part)
        np.subtract(1, part, out=part)
        for slope, d_y_t in zip(part[::-1], d_y[block][::-1], strict=True):
            np.add(d_h, d_y_t, out=d_h)
            np.multiply(slope, d_h, out=slope)
            np.dot(slope, weight_hh, out=d_h)
    return slopes, d_h
