"""Others that run recurrent cells fast on a CPU, for `benchmark_peers.py`: JAX and ONNX Runtime, no dependencies.

Each gives a train step and a forward pass of one cell at one shape, or None where it has no such thing. JAX runs the
cell's own `step` in `lax.scan` under `jit`; ONNX Runtime has RNN, LSTM and GRU as operators, forward only.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.cell import Cell
from harness.settings import LayerShape

Work = Callable[[], object]
ONNX_GATES = {"rnn": ("RNN", [0]), "lstm": ("LSTM", [0, 3, 1, 2]), "gru": ("GRU", [1, 0, 2])}
"""Operator, and where ONNX's gates (i o f c; z r h) stand among ours (i f g o; r z n)."""


class JaxOps:
    """The arithmetic of a step on JAX arrays."""

    def __init__(self) -> None:
        import jax
        import jax.numpy as jnp

        self.sigmoid, self.relu, self.softplus = jax.nn.sigmoid, jax.nn.relu, jax.nn.softplus
        self.tanh, self.exp, self.log, self.sqrt = jnp.tanh, jnp.exp, jnp.log, jnp.sqrt
        self.abs, self.maximum, self.minimum, self.where = jnp.abs, jnp.maximum, jnp.minimum, jnp.where
        self._jnp = jnp

    def split(self, a: Any, n: int) -> Sequence[Any]:
        """`n` equal parts along the last axis."""
        return self._jnp.split(a, n, axis=-1)

    def concat(self, arrays: Sequence[Any]) -> Any:
        """The parts joined along the last axis."""
        return self._jnp.concatenate(arrays, axis=-1)


def jax_works(
    cell: Cell, shape: LayerShape, weights: Mapping[str, np.ndarray], x: np.ndarray
) -> tuple[Work, Work, Callable[[], np.ndarray]]:
    """Train step, forward pass, and the outputs, on one thread. `x`: [T, B, I]; all float32.

    The train step gives the gradients of x and every parameter for fixed dense cotangents on y and the final states.
    """
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    import jax

    ops = JaxOps()
    start = cell.initial_state(shape.inputs, shape.hidden)
    state = tuple(np.repeat(row[None], shape.batch, axis=0).astype(np.float32) for row in start.values())

    def run(p: Mapping[str, Any], x: Any) -> Any:
        def step(state: Any, x_t: Any) -> Any:
            state = tuple(cell.step(ops, p, x_t, state))
            return state, state[0]

        final, y = jax.lax.scan(step, state, x)
        return y, final

    rng = np.random.default_rng(0)
    outputs = jax.eval_shape(run, weights, x)
    cotangents = jax.tree.map(lambda like: rng.standard_normal(like.shape).astype(np.float32), outputs)

    def gradients(p: Mapping[str, Any], x: Any) -> Any:
        y, back = jax.vjp(run, p, x)
        return y, back(cotangents)

    forward, train = jax.jit(run), jax.jit(gradients)
    p, x = jax.device_put(dict(weights)), jax.device_put(x)
    return (
        lambda: jax.block_until_ready(train(p, x)),
        lambda: jax.block_until_ready(forward(p, x)),
        lambda: np.asarray(forward(p, x)[0]),
    )


def onnx_works(
    cell: Cell, shape: LayerShape, weights: Mapping[str, np.ndarray], x: np.ndarray
) -> tuple[Work, Callable[[], np.ndarray]] | None:
    """Forward pass and the outputs, on one thread; None where ONNX has no such operator."""
    name = cell.about.name
    if name not in ONNX_GATES:
        return None
    import onnx
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    operator, order = ONNX_GATES[name]
    H = shape.hidden

    def gates(value: np.ndarray) -> np.ndarray:
        return np.concatenate([value[g * H : (g + 1) * H] for g in order]).astype(np.float32)

    w, r = (gates(weights[key])[None] for key in ("weight_ih", "weight_hh"))
    b = np.concatenate([gates(weights[key]) for key in ("bias_ih", "bias_hh")])[None]
    more = {"linear_before_reset": 1} if operator == "GRU" else {}
    node = helper.make_node(operator, ["x", "w", "r", "b"], ["y"], hidden_size=H, **more)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [x.shape[0], 1, x.shape[1], H])],
        [numpy_helper.from_array(value, key) for key, value in (("w", w), ("r", r), ("b", b))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    feed = {"x": np.ascontiguousarray(x)}
    return lambda: session.run(None, feed), lambda: session.run(None, feed)[0][:, 0]
