"""After the timing: did the layer that was timed do its work? Looked at on an input that nobody can have seen."""

import os
from typing import Any

import torch
from torch import Tensor

from harness import seeds
from harness.backend import LayerPlan
from harness.bench.step import Step
from harness.layer import CellLayer, State, copy_weights, torch_dtype
from harness.measures.outcomes import difference
from harness.measures.step import cotangent_of, float64_of, normal, required_shape, start_of
from harness.ops import TorchOps
from harness.plugins import Catalog
from harness.trial import Subject, Trial
from harness.unroll import unroll

CHECKED = 16
"""How many steps of the sequence are compared: a loop in Python takes about a tenth of a millisecond a step."""


class CellLoop(CellLayer):
    """A cell's own step, looped under autograd."""

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states."""
        outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
        return torch.stack(outputs), final


def objection(trial: Trial, side: tuple[Subject, str], catalog: Catalog, step: Step) -> str:
    """What the layer that was timed computes wrongly, on an input that nobody can have seen; "" where it is right.

    Its first `CHECKED` steps and their gradients are compared with the cell's own step under autograd, or where the
    cell has none with a fresh layer. Rounding is the gate's business: this looks for work that was not done.
    """
    shape, (subject, backend) = required_shape(trial), side
    cell = catalog.cell(subject.spelling)
    plan = LayerPlan(inputs=shape.inputs, hidden=shape.hidden, device=trial.device, dtype=trial.dtype)
    layer: Any = CellLoop(cell, plan) if cell.has_equation else catalog.backend(backend).build(cell, plan)
    copy_weights(layer, cell.initialise(seeds.stream(0, "initialise", cell.about.name), shape.inputs, shape.hidden))
    like = torch.empty(0, dtype=torch_dtype(trial.dtype), device=trial.device)
    unseen, steps = int.from_bytes(os.urandom(6), "little"), min(shape.length, CHECKED)
    x = normal(like.new_empty(shape.length, shape.batch, shape.inputs), "unseen", unseen)
    slope = normal(like.new_empty(steps, shape.batch, shape.hidden), "unseen slope", unseen)
    state = start_of(cell, shape, like)
    fresh = Step(lambda x: layer(x, state), [x[:steps]], [p for _, p in layer.named_parameters()], cotangent_of)
    names = ["y", "gradient of x", *(f"gradient of {name}" for name, _ in layer.named_parameters())]
    found, wanted = (
        dict(zip(names, map(float64_of, made), strict=True))
        for made in (step.beginning(x, slope), fresh.beginning(x[:steps], slope))
    )
    return difference(wanted, found, trial.dtype)
