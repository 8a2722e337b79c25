"""Two backends: `torch` runs cells by torch.nn, `eager` loops any cell's step under autograd."""

import inspect
import textwrap
from dataclasses import dataclass

import harness
from harness.backend import Dtype
from harness.module_cell import ModuleCell

MODULES = {"rnn": "RNN", "lstm": "LSTM", "gru": "GRU"}


@dataclass(frozen=True)
class TorchBackend:
    """torch.nn.RNN, LSTM and GRU: oneDNN or native code on the CPU, cuDNN on CUDA."""

    about = harness.About(name="torch", title="torch.nn's own layers (oneDNN, cuDNN)", paper="https://pytorch.org")
    devices = ("cpu", "cuda")

    def why_not(self, cell: harness.Cell, device: str, dtype: Dtype) -> str | None:
        """It has three cells and runs everybody's modules; TF32 exists only on CUDA."""
        if cell.has_equation and cell.about.name not in MODULES:
            return f"torch.nn has no {cell.about.name}"
        return _why_not_device(device, dtype)

    def text(self, cell: harness.Cell) -> str:
        """Which module of torch's; of another, its own text."""
        if isinstance(cell, ModuleCell):
            return inspect.getsource(type(cell.module(1, 1))).rstrip()
        return f"torch.nn.{MODULES[cell.about.name]}"

    def build(self, cell: harness.Cell, plan: harness.LayerPlan) -> harness.Layer:
        """The torch.nn module behind the cell's names, or the module that the cell is."""
        if isinstance(cell, ModuleCell):
            from harness_torch.wrapped import WrappedLayer

            return WrappedLayer(cell, plan)
        from harness_torch.native import NativeLayer

        return NativeLayer(cell, plan)


@dataclass(frozen=True)
class EagerBackend:
    """Any cell's step, looped in Python under autograd: slow, and right by construction."""

    about = harness.About(name="eager", title="the cell's step, looped under torch's autograd")
    devices = ("cpu", "cuda")

    def why_not(self, cell: harness.Cell, device: str, dtype: Dtype) -> str | None:
        """It loops over a step; TF32 exists only on CUDA."""
        if not cell.has_equation:
            return f"{cell.about.name} is a module and has no equation"
        return _why_not_device(device, dtype)

    def text(self, cell: harness.Cell) -> str:
        """The step itself."""
        return textwrap.dedent(inspect.getsource(type(cell).step)).rstrip()

    def build(self, cell: harness.Cell, plan: harness.LayerPlan) -> harness.Layer:
        """The loop over the step."""
        from harness_torch.eager import EagerLayer

        return EagerLayer(cell, plan)


def _why_not_device(device: str, dtype: Dtype) -> str | None:
    return "TF32 exists only on CUDA" if dtype == "tf32" and device != "cuda" else None


@harness.hookimpl
def harness_backends() -> list[harness.Backend]:
    """Both backends of this plugin."""
    return [TorchBackend(), EagerBackend()]
