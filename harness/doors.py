"""The two doors for Python users: a layer by its spelling, and results as a table."""

from pathlib import Path
from typing import TYPE_CHECKING

from harness.backend import Dtype, LayerPlan
from harness.errors import HarnessError
from harness.spelling import parse

if TYPE_CHECKING:
    import pandas

    from harness.backend import Layer


def build(
    pair: str,
    *,
    inputs: int,
    hidden: int,
    device: str = "cpu",
    dtype: Dtype = "float32",
    seed: int = 0,
) -> "Layer":
    """A layer with its cell's initial weights: `build("lstm@torch", inputs=2, hidden=64)`.

    Raises HarnessError for an unknown cell or backend and where the backend cannot run the cell.
    """
    from harness import plugins, seeds
    from harness.layer import copy_weights

    catalog = plugins.load()
    spelling = parse(pair)
    if spelling.backend is None:
        raise HarnessError(f"wanted a cell on a backend, found {pair!r}", hint=f"{pair}@torch, for example")
    cell = catalog.cell(spelling)
    backend = catalog.backend(spelling.backend)
    if reason := backend.why_not(cell, device, dtype):
        raise HarnessError(f"{pair} cannot run on {device} in {dtype}: {reason}")
    layer = backend.build(cell, LayerPlan(inputs=inputs, hidden=hidden, device=device, dtype=dtype))
    copy_weights(layer, cell.initialise(seeds.stream(seed, "initialise", cell.about.name), inputs, hidden))
    return layer


def load(results: str | Path = "results") -> "pandas.DataFrame":
    """Every record under a results folder as one row: the question, the status and the values.

    Raises HarnessError where there is no such folder.
    """
    from harness.report.frame import load_frame

    return load_frame(Path(results))
