"""What the toy package says of itself, without a clock."""

import os

from . import grid

SPREAD = (-0.03, -0.02, -0.01, 0.0, 0.0, 0.01, 0.02, 0.03)


class Planted:
    """Reads one of the planted figures."""

    params = (grid.CELLS,)
    param_names = ("cell",)
    version = "1"

    def setup(self, cell, *_):
        """The commit's figures."""
        import toy

        if cell not in toy.CELLS:
            raise NotImplementedError(f"no {cell} at this commit")
        self.planted = toy.CELLS[cell]


class Speed(Planted):
    """With a spread, as times have, and slow where another kernel was asked for."""

    unit = "seconds"

    def track_train_step(self, _):
        """Seconds."""
        seconds = self.planted["seconds"] * (2 if "OPENBLAS_CORETYPE" in os.environ else 1)
        return {"samples": [seconds * (1 + part) for part in SPREAD], "number": 1}


class Memory(Planted):
    """To the byte."""

    unit = "bytes"

    def track_train_peak(self, _):
        """Bytes."""
        return self.planted["bytes"]


class Accuracy(Planted):
    """A sample a seed."""

    unit = "error"

    def track_error(self, _):
        """Error."""
        return {"samples": [self.planted["error"] * (1 + 10 * part) for part in SPREAD], "number": 1}


class Sizes(Planted):
    """Two axes of names, and never a change."""

    params = (grid.CELLS, grid.BACKENDS)
    param_names = ("cell", "backend")

    def track_parameters(self, cell, backend):
        """A number for each pair."""
        return len(cell) * (1 + grid.BACKENDS.index(backend))
