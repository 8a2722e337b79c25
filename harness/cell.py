"""A cell is its equation: names, shapes, initial weights and one readable step."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from harness.about import About
from harness.ops import Array, Ops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shape = tuple[int, ...]
Weights = dict[str, "NDArray[np.float64]"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Example:
    """What an independent source computes with this cell: the check that the equation is the paper's.

    `x`: [T, B, I]; `state`: the initial states, each [B, …]; `weights`: by parameter name; `y`: [T, B, H];
    `final`: the final states. All float64. `source` names who computed it. `tolerance` bounds the absolute error.
    """

    source: str
    x: "NDArray[np.float64]"
    state: "tuple[NDArray[np.float64], ...]"
    weights: Weights
    y: "NDArray[np.float64]"
    final: "tuple[NDArray[np.float64], ...]"
    tolerance: float = 1e-6


class Cell(ABC):
    """The contract of a recurrent cell, with the defaults most cells share.

    A cell is a frozen dataclass whose fields are its options; `about` is its description. I is the size of
    the input, H of the output. `parameters` and `step` are the cell's own; the other methods have defaults.
    """

    about: ClassVar[About]
    has_equation: ClassVar[bool] = True

    @abstractmethod
    def parameters(self, I: int, H: int) -> dict[str, Shape]:
        """Name → shape of every parameter, in the order in which they are drawn."""

    @abstractmethod
    def step(self, ops: Ops, p: Mapping[str, Array], x: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        """One step. `x`: [B, I]; `state`: one [B, …] per state; returns the new states, the output first."""

    def states(self, I: int, H: int) -> dict[str, Shape]:
        """Name → shape (without the batch axis) of every state; the first is the output."""
        return {"h": (H,)}

    def initial_state(self, I: int, H: int) -> Weights:
        """The states before the first step, without the batch axis: zeros unless the cell says otherwise."""
        import numpy as np

        return {name: np.zeros(shape) for name, shape in self.states(I, H).items()}

    def initialise(self, rng: "np.random.Generator", I: int, H: int) -> Weights:
        """Initial weights, drawn from `rng`: U(−1/√H, 1/√H) for all, as torch.nn draws them."""
        bound = H**-0.5
        return {name: rng.uniform(-bound, bound, shape) for name, shape in self.parameters(I, H).items()}

    def examples(self) -> Iterable[Example]:
        """Input, weights and state → output, from an independent source; without them no *equation* is checked."""
        return ()
