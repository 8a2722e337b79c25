"""The normal form of a step: accumulators, phases and the pointwise arithmetic between them.

Every step that can be fused is, at widths (I, H),

    acc_i = Σ_o operand_o @ M_{i,o}ᵀ + Σ biases      for i < A, each of width H
    phase k: pointwise in accumulators of phases ≤ k, previous states and vectors
             → the operands of phase k + 1's products; in the last phase the new states

so that one driver runs every cell: products, then arithmetic on single elements.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

X = -1
"""The operand that is the input; it belongs to phase 0 and may be hoisted out of the loop."""

Source = Literal["constant", "acc", "state", "vector", "operation", "d_next", "d_operand"]
"""Where a value comes from; the last two, cotangents, occur in gradients alone."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """A view of a parameter that takes an operand of width K to an accumulator: operand @ Mᵀ, M: [H, K].

    M is `parameter[rows, columns]`, transposed before that where `transposed` (the step wrote `a @ p[name]`).
    Rows and columns are half-open ranges of the view M itself within the (transposed) parameter.
    """

    parameter: str
    transposed: bool
    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Bias:
    """A slice of a one-dimensional parameter, added to an accumulator or read as a vector."""

    parameter: str
    rows: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Term:
    """One product of an accumulator: `operand` is `X` or an index into `Recurrence.operands`."""

    operand: int
    matrix: Matrix


@dataclass(frozen=True, slots=True)
class Accumulator:
    """Σ operand @ Mᵀ + Σ biases. `sign`s and scalings stay in the pointwise arithmetic."""

    phase: int
    terms: tuple[Term, ...]
    biases: tuple[Bias, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One pointwise value of width H, compared by identity: `graph.Graph` makes every value of a step once.

    `source`: "constant" (`value`); "acc", "state" (previous), "vector", "d_next" or "d_operand" (`index`); or
    "operation": `name` of `ops` or one of add, sub, mul, div, neg, pow, less, less_equal, greater, greater_equal,
    equal, not_equal, with `arguments`.
    """

    source: Source
    name: str = ""
    index: int = 0
    value: float = 0.0
    arguments: tuple["Node", ...] = ()


@dataclass(frozen=True, slots=True)
class Operand:
    """What the in-loop products of `phase` read: previous state `state`, or the `node` an earlier phase computes.

    A value that products of two phases read is two operands.
    """

    phase: int
    state: int | None
    node: Node | None


@dataclass(frozen=True, slots=True)
class Recurrence:
    """A traced step at (I, H). `next`: the new states, the output first.

    Accumulators and operands are sorted by phase. `names`: what the step's author calls a value, where known;
    they make generated text readable and mean nothing else.
    """

    inputs: int
    hidden: int
    accumulators: tuple[Accumulator, ...]
    operands: tuple[Operand, ...]
    vectors: tuple[Bias, ...]
    next: tuple[Node, ...]
    names: Mapping[Node, str] = field(default_factory=dict)

    @property
    def phases(self) -> int:
        """How many dependent products a step has: one, or more where a product waits for another's result."""
        return 1 + max(accumulator.phase for accumulator in self.accumulators)
