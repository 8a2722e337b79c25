"""A backend is somebody who runs cells fast: it builds layers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from harness.about import About
from harness.cell import Cell

if TYPE_CHECKING:
    import torch

Dtype = Literal["float32", "float64", "tf32", "bfloat16", "float16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerPlan:
    """What a layer is built for: I inputs, H hidden units, the device and the number format.

    `tf32` is float32 storage with TF32 products allowed; `float32` never means TF32.
    """

    inputs: int
    hidden: int
    device: str = "cpu"
    dtype: Dtype = "float32"


class Layer(Protocol):
    """One cell, one layer, one direction: a `torch.nn.Module`, time-major, called like `torch.nn.LSTM`.

    `y, state = layer(x, state)` with `x`: [T, B, I], `state`: None or a tuple of one [B, …] per state, `y`:
    [T, B, H]. Outputs alias nothing. Gradients reach x, the initial state and every parameter; what backward
    needs belongs to the call, so a layer may be called many times before a backward. `named_parameters()` are
    exactly the cell's. Authors subclass `harness.layer.CellLayer`, which sees to names, shapes and the state.
    """

    def __call__(
        self, x: "torch.Tensor", state: "tuple[torch.Tensor, ...] | None" = None
    ) -> "tuple[torch.Tensor, tuple[torch.Tensor, ...]]":
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states."""
        ...

    def named_parameters(self) -> "Iterator[tuple[str, torch.nn.Parameter]]":
        """The cell's parameters by the cell's names."""
        ...


class Backend(Protocol):
    """The contract of a backend. Importing one imports nothing heavy; `build` does."""

    @property
    def about(self) -> About:
        """Name, title and version."""
        ...

    @property
    def devices(self) -> tuple[str, ...]:
        """The devices it can run on at all: "cpu", "cuda"."""
        ...

    def why_not(self, cell: Cell, device: str, dtype: Dtype) -> str | None:
        """Why it cannot run this cell there, or None. Cheap facts only: no torch import, no CUDA context."""
        ...

    def text(self, cell: Cell) -> str:
        """What it runs for that cell, for a reader: source text, or a sentence about somebody else's code."""
        ...

    def build(self, cell: Cell, plan: LayerPlan) -> Layer:
        """A ready layer; its weights are overwritten with the cell's initial ones by the caller."""
        ...
