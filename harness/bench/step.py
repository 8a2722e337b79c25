"""The step that speed times and memory weighs: a layer with fixed weights, inputs and cotangents."""

from collections.abc import Callable, Sequence

import torch
import torch.fx.experimental.symbolic_shapes  # torch's first backward imports it, 0.4 s; a fork server does it once
from torch import Tensor

Call = Callable[[Tensor], tuple[Tensor, tuple[Tensor, ...]]]


class Step:
    """One layer, ready to be run again and again on the same numbers.

    `call`: x → y and final states, the initial state already given; `x`: [T, B, I], a leaf; `leaves`: what gets
    gradients, x and every parameter; `draw(like, k)`: the fixed dense cotangent of output k, y first; `note`: how
    the layer ran its last call, where there is more than one way.
    """

    def __init__(
        self,
        call: Call,
        x: Tensor,
        leaves: Sequence[Tensor],
        draw: Callable[[Tensor, int], Tensor],
        note: Callable[[], str] = str,
    ) -> None:
        self._call, self._x, self._leaves, self.note = call, x, leaves, note
        y, final = call(x)
        outputs = (y, *final)
        # A state may depend on nothing that learns (a counter); autograd refuses to start from such an output.
        self._reached = [k for k, output in enumerate(outputs) if output.requires_grad]
        self._cotangents = [draw(outputs[k], k) for k in self._reached]

    def clear(self) -> None:
        """Sets every gradient to None, as an optimiser's `zero_grad` does."""
        for leaf in self._leaves:
            leaf.grad = None

    def outputs(self) -> tuple[Tensor, ...]:
        """The first half of a train step: y and the final states, holding what backward needs."""
        y, final = self._call(self._x)
        return y, *final

    def backward(self, outputs: tuple[Tensor, ...]) -> None:
        """The second half: gradients of x and of every parameter."""
        torch.autograd.backward([outputs[k] for k in self._reached], self._cotangents)

    def train(self) -> None:
        """Gradients None, forward, backward; no optimiser, whose work is the same for every backend."""
        self.clear()
        self.backward(self.outputs())

    def forward(self) -> None:
        """The forward pass alone, under `no_grad`."""
        with torch.no_grad():
            self._call(self._x)

    def denormal_share(self) -> float:
        """The share of denormal numbers among the outputs and gradients of one train step.

        A product of denormals takes up to a hundred times as long on some processors.
        """
        self.clear()
        outputs = self.outputs()
        self.backward(outputs)
        found = [*outputs, *(leaf.grad for leaf in self._leaves if leaf.grad is not None)]
        numbers = [part.detach().abs() for part in found]
        denormal = sum(int(((part > 0) & (part < torch.finfo(part.dtype).tiny)).sum()) for part in numbers)
        return denormal / max(1, sum(part.numel() for part in numbers))

    def resting_bytes(self) -> int:
        """Bytes of the input, the parameters and the cotangents, which are there before a step begins."""
        return sum(part.numel() * part.element_size() for part in (*self._leaves, *self._cotangents))

    def synchronise(self) -> None:
        """Waits for the device; nothing to wait for on the CPU."""
        if self._x.is_cuda:
            torch.cuda.synchronize(self._x.device)
