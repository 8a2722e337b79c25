"""The backend `numpy`: forward and backward through time written by hand, for four cells on the CPU."""

from dataclasses import dataclass
from pathlib import Path

import harness
from harness.backend import Dtype

CELLS = ("rnn", "lstm", "gru", "gru_reset_before")
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class NumpyBackend:
    """NumPy on the CPU: one file per cell, both directions by hand, no autograd inside."""

    about = harness.About(
        name="numpy", title="NumPy, forward and backward through time by hand", paper="https://numpy.org"
    )
    devices = ("cpu",)

    def why_not(self, cell: harness.Cell, device: str, dtype: Dtype) -> str | None:
        """It has four cells (their options only change initial weights), one device and two number formats."""
        if cell.about.name not in CELLS:
            return f"nobody has written {cell.about.name} by hand; numpy has {', '.join(CELLS)}"
        if device not in self.devices:
            return f"NumPy computes on the CPU, not on {device}"
        if dtype not in DTYPES:
            return f"NumPy computes in {' and '.join(DTYPES)}, not in {dtype}"
        return None

    def text(self, cell: harness.Cell) -> str:
        """The cell's own file: forward and backward."""
        return (Path(__file__).parent / f"{cell.about.name}.py").read_text("utf-8").rstrip()

    def build(self, cell: harness.Cell, plan: harness.LayerPlan) -> harness.Layer:
        """The cell's hand-written passes behind a torch module."""
        from harness_numpy.layer import NumpyLayer

        return NumpyLayer(cell, plan)


@harness.hookimpl
def harness_backends() -> list[harness.Backend]:
    """The one backend of this plugin."""
    return [NumpyBackend()]
