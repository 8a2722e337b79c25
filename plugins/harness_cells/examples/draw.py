"""Draws the examples anew: torch.nn computes rnn, lstm and gru, ONNX's reference computes gru_reset_before.

Run by `make examples`. Nothing of this project's equations is used, only parameter names and shapes.
"""

import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

HERE = Path(__file__).parent
T, B, I, H = 4, 2, 3, 5
TOLERANCE = 1e-12


def torch_example(module: torch.nn.RNNBase, states: int, rng: np.random.Generator) -> dict:
    """What a torch.nn module computes in float64, all its weights drawn from N(0, 1)."""
    weights = {name: rng.standard_normal(tuple(p.shape)) for name, p in module.named_parameters()}
    module.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    x, state = rng.standard_normal((T, B, I)), [rng.standard_normal((B, H)) for _ in range(states)]
    start = [torch.from_numpy(s)[None] for s in state]
    with torch.no_grad():
        y, final = module(torch.from_numpy(x), tuple(start) if states > 1 else start[0])
    finals = final if states > 1 else (final,)
    return {
        "source": f"torch.nn.{type(module).__name__} {torch.__version__.split('+')[0]}, float64",
        "x": x.tolist(),
        "state": [s.tolist() for s in state],
        "weights": {name.removesuffix("_l0"): weight.tolist() for name, weight in weights.items()},
        "y": y.numpy().tolist(),
        "final": [f[0].numpy().tolist() for f in finals],
        "tolerance": TOLERANCE,
    }


def onnx_example(rng: np.random.Generator) -> dict:
    """What ONNX's GRU computes with linear_before_reset = 0.

    ONNX keeps (1−z) ∘ n + z ∘ h and orders its rows z, r, h; with z's weights and bias negated, σ(−a) = 1 − σ(a)
    turns its z into this cell's 1 − u.
    """
    weight_ih, weight_hh = rng.standard_normal((3 * H, I)), rng.standard_normal((3 * H, H))
    bias = rng.standard_normal(3 * H)
    x, h = rng.standard_normal((T, B, I)), rng.standard_normal((B, H))

    def zrh(rows: np.ndarray) -> np.ndarray:
        r, u, candidate = np.split(rows, 3)
        return np.concatenate([-u, r, candidate])[None]

    feeds = {
        "X": x,
        "W": zrh(weight_ih),
        "R": zrh(weight_hh),
        "B": np.concatenate([zrh(bias), np.zeros((1, 3 * H))], axis=1),
        "h0": h[None],
    }
    node = helper.make_node("GRU", ["X", "W", "R", "B", "", "h0"], ["Y", "Yh"], hidden_size=H, linear_before_reset=0)
    graph = helper.make_graph(
        [node],
        "gru",
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, value.shape) for name, value in feeds.items()],
        [helper.make_tensor_value_info(name, TensorProto.DOUBLE, None) for name in ("Y", "Yh")],
    )
    y, final = ReferenceEvaluator(helper.make_model(graph)).run(None, feeds)
    return {
        "source": f"ONNX GRU, linear_before_reset = 0, update gate negated; onnx {onnx.__version__} reference, float64",
        "x": x.tolist(),
        "state": [h.tolist()],
        "weights": {"weight_ih": weight_ih.tolist(), "weight_hh": weight_hh.tolist(), "bias": bias.tolist()},
        "y": y[:, 0].tolist(),
        "final": [final[0].tolist()],
        "tolerance": TOLERANCE,
    }


def main() -> None:
    """Writes one JSON file a cell beside this script."""
    rng = np.random.default_rng(20141406)
    drawn = {
        "rnn": torch_example(torch.nn.RNN(I, H, dtype=torch.float64), 1, rng),
        "lstm": torch_example(torch.nn.LSTM(I, H, dtype=torch.float64), 2, rng),
        "gru": torch_example(torch.nn.GRU(I, H, dtype=torch.float64), 1, rng),
        "gru_reset_before": onnx_example(rng),
    }
    for name, example in drawn.items():
        (HERE / f"{name}.json").write_text(json.dumps([example]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
