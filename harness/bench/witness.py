"""The witness: tells what a layer computes, inside a worker."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Made = tuple[Any, Tensor, Callable[[Tensor], Tensor]]
"""A layer, its input x: [T, B, I], and what draws a fixed cotangent like an output."""


class Witness:
    """Runs a layer once, forward and backward; `make` builds it, when it is asked."""

    def __init__(self, make: Callable[[], Made]) -> None:
        self._make = make

    def outcome(self) -> dict[str, Any]:
        """Arrays in float64 by name, in the order of computation.

        The initial weights; y and the final states; the gradients of x and of every parameter.
        """
        layer, x, draw = self._make()
        parameters = dict(layer.named_parameters())
        y, final = layer(x)
        outputs = {"y": y} | {f"final state {k}": state for k, state in enumerate(final)}
        reached = [output for output in outputs.values() if output.requires_grad]
        torch.autograd.backward(reached, [draw(output) for output in reached])
        found = {f"initial {name}": parameter for name, parameter in parameters.items()} | outputs
        leaves = {"x": x} | parameters
        found |= {f"gradient of {name}": leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}
        return {name: tensor.detach().to("cpu", torch.float64).numpy() for name, tensor in found.items()}
