"""The step that speed times and memory weighs: a layer with fixed weights, inputs and cotangents."""

from collections.abc import Callable, Sequence
from itertools import cycle

import torch
import torch.fx.experimental.symbolic_shapes  # torch's first backward imports it, 0.4 s; a fork server does it once
from torch import Tensor

Call = Callable[[Tensor], tuple[Tensor, tuple[Tensor, ...]]]


INPUTS = 3
"""How many inputs take turns, so that nobody is fast by knowing the one it had before."""


class Step:
    """One layer, ready to be run again and again on numbers of one kind.

    `call`: x → y and final states, the initial state already given; `xs`: `INPUTS` leaves [T, B, I], which take turns;
    `parameters`: what gets gradients beside x; `draw(like, k)`: the fixed dense cotangent of output k, y first; `note`:
    how the layer ran its last call, where there is more than one way.
    """

    def __init__(
        self,
        call: Call,
        xs: Sequence[Tensor],
        parameters: Sequence[Tensor],
        draw: Callable[[Tensor, int], Tensor],
        note: Callable[[], str] = str,
    ) -> None:
        self._call, self._xs, self._parameters, self.note = call, xs, parameters, note
        self._turns = cycle(xs)
        y, final = call(xs[0])
        outputs = (y, *final)
        # A state may depend on nothing that learns (a counter); autograd refuses to start from such an output.
        self._reached = [k for k, output in enumerate(outputs) if output.requires_grad]
        self._cotangents = [draw(outputs[k], k) for k in self._reached]

    def clear(self) -> None:
        """Sets every gradient to None, as an optimiser's `zero_grad` does."""
        for leaf in (*self._xs, *self._parameters):
            leaf.grad = None

    def outputs(self) -> tuple[Tensor, ...]:
        """The first half of a train step: y and the final states, holding what backward needs."""
        y, final = self._call(next(self._turns))
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
            self._call(next(self._turns))

    def denormal_share(self) -> float:
        """The share of denormal numbers among the outputs and gradients of one train step.

        A product of denormals takes up to a hundred times as long on some processors.
        """
        self.clear()
        outputs = self.outputs()
        self.backward(outputs)
        leaves = (*self._xs, *self._parameters)
        found = [*outputs, *(leaf.grad for leaf in leaves if leaf.grad is not None)]
        numbers = [part.detach().abs() for part in found]
        denormal = sum(int(((part > 0) & (part < torch.finfo(part.dtype).tiny)).sum()) for part in numbers)
        return denormal / max(1, sum(part.numel() for part in numbers))

    def vary(self) -> None:
        """Moves every input's numbers on by one place: of the same kind, and nobody has seen them together."""
        for x in self._xs:
            x.detach().copy_(x.detach().flatten().roll(1).view_as(x))

    def renew(self, x: Tensor) -> None:
        """Puts other numbers, [T, B, I], where the inputs are."""
        for known in self._xs:
            known.detach().copy_(x)

    def beginning(self, slope: Tensor) -> tuple[Tensor, ...]:
        """What the very layer that is timed computes now, up to the step where `slope`: [K, B, H] ends.

        y[:K] without and with gradients, and of Σ slope · y[:K] the gradients of x[:K] and of every parameter. It
        runs all T steps.
        """
        steps, x = len(slope), self._xs[0]
        with torch.no_grad():
            plain = self._call(x)[0][:steps].clone()
        y = self._call(x)[0][:steps]
        leaves = [x, *self._parameters]
        of_x, *others = torch.autograd.grad(y, leaves, slope, allow_unused=True, materialize_grads=True)
        return plain, y.detach(), of_x[:steps], *others

    def resting_bytes(self) -> int:
        """Bytes of the inputs, the parameters and the cotangents, which are there before a step begins."""
        there = (*self._xs, *self._parameters, *self._cotangents)
        return sum(part.numel() * part.element_size() for part in there)

    def synchronise(self) -> None:
        """Waits for the device; nothing to wait for on the CPU."""
        if self._xs[0].is_cuda:
            torch.cuda.synchronize(self._xs[0].device)
