"""Memory: bytes of the allocator, to the byte; the same for the same code."""

import gc
import tempfile
from contextlib import closing
from pathlib import Path

from . import engine, grid
from .layers import layer_of, shape_of

try:
    import memray
except ImportError:
    memray = None

WEIGHINGS = 3
"""The least of so many counts: some of Python's own objects fall into one of them."""


class Memory:
    """Each a cell on a backend at a shape."""

    params = (grid.CELLS, grid.BACKENDS, grid.SHAPES)
    param_names = ("cell", "backend", "shape")
    unit = "bytes"
    version = "1"
    timeout = 300

    def setup(self, cell: str, backend: str, shape: str) -> None:
        """Builds the step and runs it twice: the first steps grow the libraries' own buffers."""
        if memray is None:
            raise NotImplementedError("no memray here to weigh with")
        sizes = shape_of(shape)
        self.step = engine.Step(layer_of(cell, backend, inputs=sizes["I"], hidden=sizes["H"]), sizes)
        for _ in range(2):
            self.step.train()

    def track_train_peak(self, *_: str) -> int:
        """The most that a train step holds at once, beyond what was there before it."""
        with tempfile.TemporaryDirectory() as folder:
            return min(_peak(self.step, Path(folder) / str(n)) for n in range(WEIGHINGS))

    def track_parameters(self, *_: str) -> int:
        """What the layer learns."""
        return self.step.parameter_bytes()


def _peak(step: engine.Step, file: Path) -> int:
    step.clear()
    gc.collect()
    gc.disable()
    try:
        with memray.Tracker(file, native_traces=False, trace_python_allocators=False):
            step.train()
    finally:
        gc.enable()
    with closing(memray.FileReader(file)) as reader:
        return int(reader.metadata.peak_memory)
