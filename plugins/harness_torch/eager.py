"""Any cell's step under autograd."""

import torch
from torch import Tensor

from harness.layer import CellLayer, State
from harness.ops import TorchOps
from harness.unroll import unroll


class EagerLayer(CellLayer):
    """Loops the cell's step in Python; autograd does the rest."""

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states."""
        outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
        return torch.stack(outputs), tuple(part.clone() for part in final)
