"""Accuracy, as error: asv knows only that less is better."""

import math

from . import grid, learner
from .layers import layer_of

SEEDS = 8


class Accuracy:
    """Each a cell on a backend; a sample is a seed."""

    params = (grid.CELLS, grid.BACKENDS)
    param_names = ("cell", "backend")
    unit = "share of the variance"
    version = learner.VERSION
    timeout = 300

    def setup(self, cell: str, backend: str) -> None:
        """Builds a layer a seed."""
        self.layers = [layer_of(cell, backend, inputs=2, hidden=learner.HIDDEN, seed=seed) for seed in range(SEEDS)]

    def track_error(self, *_: str) -> dict[str, object] | None:
        """What is left of the adding problem's variance after a small fixed budget; a training that diverged fails."""
        errors = [learner.error(layer, seed) for seed, layer in enumerate(self.layers)]
        return {"samples": errors, "number": 1} if all(map(math.isfinite, errors)) else None
