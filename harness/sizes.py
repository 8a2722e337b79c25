"""What follows from shapes alone: a cell's parameters, its states and its arithmetic in the layers of a model."""

import math
from dataclasses import dataclass

from harness.cell import Cell
from harness.counting import count
from harness.record import Measured
from harness.settings import LayerShape, ModelSettings
from harness.task import Kind, Problem, Real


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The recurrent layers of a model, every one with H hidden units: `inputs` holds I of each."""

    inputs: tuple[int, ...]
    hidden: int

    def parameters(self, cell: Cell) -> int:
        """How many numbers the layers learn."""
        return sum(math.prod(shape) for I in self.inputs for shape in cell.parameters(I, self.hidden).values())

    def states(self, cell: Cell) -> int:
        """How many numbers one sequence's states hold."""
        return sum(math.prod(shape) for I in self.inputs for shape in cell.states(I, self.hidden).values())

    def flops(self, cell: Cell) -> int:
        """The FLOPs of one step of every layer for one example, forward (`harness.counting` says what counts)."""
        return sum(count(cell, I, self.hidden).total for I in self.inputs)

    def measured(self, cell: Cell, itemsize: int) -> dict[str, Measured]:
        """What a record says of its sizes beside the parameters; `itemsize`: bytes of a number.

        Without an equation nobody can count FLOPs.
        """
        sizes = {"state_bytes": Measured(self.states(cell) * itemsize, "bytes")}
        return sizes | ({"flops_per_step": Measured(self.flops(cell))} if cell.has_equation else {})


def layers_of_shape(shape: LayerShape) -> Layers:
    """The one layer that is timed and weighed."""
    return Layers(inputs=(shape.inputs,), hidden=shape.hidden)


def layers_of_model(model: ModelSettings, problem: Problem) -> Layers:
    """All recurrent layers of the model that `harness.model` builds for a problem: encoder and decoder alike."""
    first = problem.source.size if isinstance(problem.source, Real) else model.embedding
    directions = 2 if model.bidirectional else 1
    inputs = [first] + [directions * model.hidden] * (model.layers - 1)
    inputs = [I for I in inputs for _ in range(directions)]
    if problem.kind == Kind.ENCODER_DECODER:
        inputs += [model.embedding] + [model.hidden] * (model.layers - 1)
    return Layers(inputs=tuple(inputs), hidden=model.hidden)
