"""A backend that computes lstm with its input and forget gates swapped: the gate must reject it."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class SwappedGates:
    about = harness.About(name="swapped", title="lstm with two gates swapped")
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None if cell.about.name == "lstm" else "it runs lstm only"

    def text(self, cell):
        return ""

    def build(self, cell, plan):
        import torch

        from harness.layer import CellLayer
        from harness.ops import TorchOps

        class Layer(CellLayer):
            def run(self, x, state):
                weights = {}
                for name, weight in self.weights().items():
                    i, f, g, o = weight.chunk(4)
                    weights[name] = torch.cat([f, i, g, o])
                outputs, final = harness.unroll(self.cell, TorchOps(), weights, x, state)
                return torch.stack(outputs), tuple(part.clone() for part in final)

        return Layer(cell, plan)


@harness.hookimpl
def harness_backends():
    return [SwappedGates()]
