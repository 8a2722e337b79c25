"""Speed: the processor's seconds of a step, on one thread."""

from . import engine, grid
from .layers import layer_of, shape_of


class Speed:
    """Each a cell on a backend at a shape. asv draws the median of the samples."""

    params = (grid.CELLS, grid.BACKENDS, grid.SHAPES)
    param_names = ("cell", "backend", "shape")
    unit = "seconds"
    version = engine.VERSION
    timeout = 300

    def setup(self, cell: str, backend: str, shape: str) -> None:
        """Builds the step; the first time, a backend may compile."""
        sizes = shape_of(shape)
        self.step = engine.Step(layer_of(cell, backend, inputs=sizes["I"], hidden=sizes["H"]), sizes)

    def track_train_step(self, *_: str) -> dict[str, object]:
        """Forward and backward."""
        return {"samples": engine.clocked(self.step.train), "number": 1}

    def track_forward(self, *_: str) -> dict[str, object]:
        """Forward without gradients."""
        return {"samples": engine.clocked(self.step.forward), "number": 1}
