"""Two backends that compute the same: `exact`, and `later`, which takes 5 % longer, whatever the machine does."""

import time
from dataclasses import dataclass
from functools import partial

import harness
from harness.backend import Dtype

PLANTED = 0.05


@dataclass(frozen=True)
class Planted:
    """torch.nn's layer inside one node of the graph, each of whose passes waits for a fraction of its own time."""

    about: harness.About
    fraction: float
    devices = ("cpu",)

    def why_not(self, cell: harness.Cell, device: str, dtype: Dtype) -> str | None:
        """It stands on torch.nn's LSTM."""
        return None if cell.about.name == "lstm" else "only the LSTM is planted"

    def text(self, cell: harness.Cell) -> str:
        """Whose code runs."""
        return "torch.nn.LSTM, and a wait"

    def build(self, cell: harness.Cell, plan: harness.LayerPlan) -> harness.Layer:
        """A layer that keeps its own graph and waits."""
        import torch

        from harness.layer import CellLayer

        fraction = self.fraction

        def waiting(work):
            began = time.perf_counter()
            result = work()
            until = began + (time.perf_counter() - began) * (1 + fraction)
            while time.perf_counter() < until:
                pass
            return result

        class Node(torch.autograd.Function):
            @staticmethod
            def forward(ctx, layer, *inputs):
                def work():
                    with torch.enable_grad():
                        ctx.leaves = tuple(tensor.detach().requires_grad_() for tensor in inputs)
                        y, final = layer.inner(ctx.leaves)
                        ctx.outputs = (y, *final)
                        return tuple(output.detach() for output in ctx.outputs)

                return waiting(work)

            @staticmethod
            def backward(ctx, *cotangents):
                work = partial(torch.autograd.grad, ctx.outputs, ctx.leaves, cotangents, retain_graph=True)
                return None, *waiting(work)

        class PlantedLayer(CellLayer):
            def __init__(self) -> None:
                super().__init__(cell, plan)
                dtype = next(self.parameters()).dtype
                self._network = (torch.nn.LSTM(plan.inputs, plan.hidden, dtype=dtype),)  # its parameters are not ours

            def inner(self, leaves):
                x, h, c, *weights = leaves
                names = [f"{name}_l0" for name, _ in self.named_parameters()]
                tied = dict(zip(names, weights, strict=True))
                y, (h, c) = torch.func.functional_call(self._network[0], tied, (x, (h[None], c[None])))
                return y, (h[0], c[0])

            def run(self, x, state):
                y, *final = Node.apply(self, x, *state, *self.parameters())
                return y, tuple(final)

        return PlantedLayer()


@harness.hookimpl
def harness_backends() -> list[harness.Backend]:
    """The honest one and the late one."""
    late = f"torch.nn, {100 * PLANTED:.0f} % later"
    return [
        Planted(harness.About(name="exact", title="torch.nn in one node"), 0.0),
        Planted(harness.About(name="later", title=late), PLANTED),
    ]
