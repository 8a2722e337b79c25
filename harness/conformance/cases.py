"""The shapes a pair is compared on, and the numbers both sides get there."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from harness import seeds
from harness.backend import Dtype
from harness.cell import Cell, Weights
from harness.layer import torch_dtype
from harness.ops import NumpyOps
from harness.unroll import unroll

Array = NDArray[np.float64]

WARM_UP = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A shape and what is special about it.

    `spread` multiplies the cell's initial matrices; `shift` is added to its initial vectors with a random sign per
    element, which drives some gates near 0 and others near 1 and makes some memories long. `state`: whether an
    initial state is given. `alone`: outputs get their cotangent one at a time, "y" or every "final" state, instead
    of all together.
    """

    T: int
    B: int
    I: int
    H: int
    spread: float = 1.0
    shift: float = 0.0
    state: bool = True
    alone: Literal["", "y", "final"] = ""

    def __str__(self) -> str:
        return f"T{self.T} B{self.B} I{self.I} H{self.H}"

    @property
    def work(self) -> int:
        """Multiplications, about: what makes a shape small or large."""
        return self.T * self.B * self.H * (self.I + self.H)

    @property
    def altered(self) -> bool:
        """Whether the weights are others than the cell's initial ones."""
        return self.spread != 1 or self.shift != 0


PROBE = Case(T=9, B=4, I=3, H=17)
"""Where a layer's behaviour is examined too."""

CASES = (
    Case(T=1, B=1, I=1, H=1),
    Case(T=1, B=1, I=2, H=3),
    Case(T=1, B=5, I=3, H=1, alone="final"),
    Case(T=2, B=3, I=1, H=3, alone="y"),
    Case(T=5, B=1, I=4, H=17, state=False),
    PROBE,
    Case(T=6, B=4, I=2, H=33, alone="final"),
    Case(T=9, B=3, I=17, H=5, spread=3.0),
    Case(T=128, B=1, I=2, H=3),
    Case(T=64, B=2, I=3, H=17, shift=2.0),
    Case(T=12, B=7, I=33, H=33, spread=2.0),
    Case(T=20, B=16, I=8, H=96),
)
"""At most twelve: powers of two and their neighbours, every length of 1 alone, one long and one wide."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """What both sides get, in float64, every number one that the dtype at hand holds exactly.

    `x`: [T, B, I]; `state`: one [B, …] per state, or None; `passes`: for every backward pass one cotangent per
    output, y [T, B, H] first, then the final states; None where the output is not used.
    """

    x: Array
    state: tuple[Array, ...] | None
    weights: Weights
    passes: tuple[tuple[Array | None, ...], ...]


def draw(cell: Cell, case: Case, dtype: Dtype, purpose: str = "case") -> Inputs:
    """The numbers of a case: x and cotangents N(0, 1), so that gradients are of order 1 and an absolute tolerance
    means something; an initial state that the cell reaches within a few steps, so that it is one the cell can have.
    """
    rng = seeds.stream(0, "gate", purpose, case, case.spread, case.shift)
    initial = cell.initialise(seeds.stream(0, "gate", "weights", cell.about.name, case), case.I, case.H)
    weights = {name: _rounded(_altered(rng, weight, case), dtype) for name, weight in initial.items()}
    state = None
    if case.state:
        state = tuple(_rounded(part, dtype) for part in _reached_state(rng, cell, case, weights))
    x = _rounded(rng.standard_normal((case.T, case.B, case.I)), dtype)
    shapes = [(case.T, case.B, case.H), *((case.B, *s) for s in cell.states(case.I, case.H).values())]
    cotangents = [_rounded(rng.standard_normal(shape), dtype) for shape in shapes]
    return Inputs(x=x, state=state, weights=weights, passes=tuple(_passes(cotangents, case)))


def _reached_state(rng: np.random.Generator, cell: Cell, case: Case, weights: Weights) -> tuple[Array, ...]:
    """States a few steps from the start; of a cell without a step small random ones."""
    start = start_state(cell, case)
    if not cell.has_equation:
        return tuple(part + 0.3 * rng.standard_normal(part.shape) for part in start)
    warm_up = 2 * rng.standard_normal((WARM_UP, case.B, case.I))
    return unroll(cell, NumpyOps(), weights, warm_up, start)[1]


def start_state(cell: Cell, case: Case) -> tuple[Array, ...]:
    """The cell's own initial state for every row of the batch: one [B, …] per state."""
    start = cell.initial_state(case.I, case.H)
    return tuple(
        np.broadcast_to(start[name], (case.B, *shape)).astype(np.float64)
        for name, shape in cell.states(case.I, case.H).items()
    )


def _altered(rng: np.random.Generator, weight: Array, case: Case) -> Array:
    if weight.ndim > 1:
        return case.spread * weight
    return weight + case.shift * rng.choice([-1.0, 1.0], weight.shape)


def _passes(cotangents: list[Array], case: Case) -> Iterable[tuple[Array | None, ...]]:
    if not case.alone:
        yield tuple(cotangents)
        return
    for k in range(len(cotangents)) if case.alone == "final" else [0]:
        if (k > 0) == (case.alone == "final"):
            yield tuple(cotangent if k == place else None for place, cotangent in enumerate(cotangents))


def _rounded(array: Array, dtype: Dtype) -> Array:
    return torch.as_tensor(array).to(torch_dtype(dtype)).double().numpy()
