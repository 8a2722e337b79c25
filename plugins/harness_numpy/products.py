"""What the four cells share: how time is blocked, and the matrix products on either side of the loop.

Forward, arrays are gate-major, [G, T, B, H]: every gate of a step is one contiguous [B, H] and elementwise work
runs at full width. Backward, the gates' slopes are row-major, [T, B, G·H]: each product with a weight is then one
matrix product over all gates. Where an operand may be some columns of a wider array the product is `matmul`, which
hands BLAS the stride; `dot` would copy.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

Array = np.ndarray

# Rows of one blocked input product: enough for a matrix product at full speed, small enough to stay in cache.
ROWS = 512
# Elements of one [steps, B, H] array of backward's elementwise blocks: a dozen of them fit a core's own cache.
ELEMENTS = 16384


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What one call of a layer got: `x`: [T, B, I], contiguous; `state`: one [B, H] per state; `weights` by name."""

    x: Array
    state: tuple[Array, ...]
    weights: dict[str, Array]


def gate_major(weight: Array, scale: Array) -> Array:
    """[G·H, K] → [G, K, H], contiguous, gate k times scale[k]; `scale`: [G]. A bias [G·H] becomes [G, 1, H]."""
    gates = len(scale)
    parts = weight.reshape(gates, -1, *weight.shape[1:] or (1,)).swapaxes(1, 2)
    return np.multiply(parts, scale[:, None, None], order="C")


def filled(numbers: tuple[float, ...], like: Array) -> Array:
    """Number k all over gate k of an array like `like`, [G, B, H].

    Operands of equal shape are multiplied three times faster than broadcast ones at B = 1, twice at (32, 128).
    """
    return np.repeat(np.array(numbers, like.dtype), like[0].size).reshape(like.shape)


def step_major(shape: tuple[int, int, int, int], dtype: np.dtype) -> Array:
    """An empty [G, steps, B, H] in which the gates of one step lie together."""
    gates, steps, B, H = shape
    return np.empty((steps, gates, B, H), dtype).swapaxes(0, 1)


def hoisted(x: Array, weight: Array, bias: Array, whole: bool) -> Iterator[Array]:
    """The input's part of every gate, in blocks of time: [G, steps, B, H] each.

    `x`: [T, B, I]; `weight`: [G, I, H]; `bias`: [G, 1, H]. With `whole` there is one block, one product over
    T·B rows, and the caller keeps it. Otherwise the blocks share one buffer, so nothing is T long.
    """
    T, B, I = x.shape
    gates, _, H = weight.shape
    steps = T if whole else min(T, max(1, ROWS // max(B, 1)))
    shape = (gates, steps, B, H)
    # At B = 1 a gate's [T, B, H] need not lie together for the product to run at full speed; then a step's gates may.
    buffer = step_major(shape, x.dtype) if B == 1 else np.empty(shape, x.dtype)
    for start in range(0, T, steps):
        part = x[start : start + steps]
        block = buffer[:, : len(part)]
        rows = block.reshape(gates, -1, H)
        np.matmul(part.reshape(-1, I), weight, out=rows)
        rows += bias
        yield block


def recurrent(weight: Array, batch: int) -> tuple[Array, Callable[[Array], Array]]:
    """The place [G, B, H] where a step's recurrent product lands, and the function of h: [B, H] that puts it there.

    `weight`: [G, H, H], as `gate_major` gives it.
    """
    gates, H, _ = weight.shape
    out = np.empty((gates, batch, H), weight.dtype)
    if batch == 1:
        # One row: the gates lie side by side anyway, and `dot` costs half a microsecond less than `matmul`.
        flat, across = out.reshape(1, -1), np.ascontiguousarray(weight.swapaxes(0, 1)).reshape(H, -1)
        return out, lambda h: np.dot(h, across, out=flat)
    return out, lambda h: np.matmul(h, weight, out=out)


def blocks_backward(T: int, elements: int) -> Iterator[slice]:
    """The slices of time from the last to the first; a step has `elements` elements, B·H."""
    steps = min(T, max(1, ELEMENTS // max(elements, 1)))
    for stop in range(T, 0, -steps):
        yield slice(max(0, stop - steps), stop)


def before(h: Array, y: Array, block: slice) -> Array:
    """The state before each step of a block, [steps, B, H]; `h`: before the first; `y`: [T, B, H]."""
    if block.start:
        return y[block.start - 1 : block.stop - 1]
    return np.concatenate([h[None], y[: block.stop - 1]])


def steps_of(slopes: Array, gates: int) -> Array:
    """[T, B, G·H] seen as [T, G, B, H]: where a step writes its gates."""
    T, B, columns = slopes.shape
    return slopes.reshape(T, B, gates, columns // gates).swapaxes(1, 2)


def column_sums(a: Array) -> Array:
    """[T, B, K] → [K]: over T first, then over B. Two short sums lose less in float32 than one long one."""
    T, B, K = a.shape
    over_time = np.dot(np.ones(T, a.dtype), a.reshape(T, B * K))
    return over_time.reshape(B, K).sum(axis=0)


def input_gradients(call: Call, slopes: Array, wanted: Collection[str]) -> dict[str, Array]:
    """The gradients of x and `weight_ih`, those of them that are wanted; `slopes`: [T, B, G·H]."""
    found = {}
    T, B, I = call.x.shape
    rows = slopes.reshape(T * B, -1)  # a view even where the slopes are some columns of a wider array
    if "x" in wanted:
        found["x"] = np.matmul(rows, call.weights["weight_ih"]).reshape(T, B, I)
    if "weight_ih" in wanted:
        found["weight_ih"] = np.matmul(rows.T, call.x.reshape(T * B, I))
    return found


def recurrent_gradient(slopes: Array, h: Array, y: Array) -> Array:
    """The gradient of `weight_hh`, [G·H, H].

    `slopes`: [T, B, G·H]; `h`, before the first step: [B, H]; `y`: [T, B, H].
    """
    T, B, columns = slopes.shape
    total = np.matmul(slopes[0].T, h)
    if T > 1:
        rows = (T - 1) * B
        total += np.matmul(slopes[1:].reshape(rows, columns).T, y[:-1].reshape(rows, -1))
    return total
