"""What a step is traced with: rows of values of width H, and weights that are only multiplied with.

`harness.counting` has seen the step before: these symbols rely on shapes that fit and on the vocabulary of `ops`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, isfinite
from numbers import Real
from typing import Any

from harness.errors import HarnessError
from harness_fused.graph import Graph
from harness_fused.recurrence import Bias, Matrix, Node, X

SIGNS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "pow": "**",
    "neg": "-",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "equal": "==",
    "not_equal": "!=",
}


class Trace:
    """One run of a step: its graph, in which a product is an accumulator of its own, and what the leaves are."""

    def __init__(self, I: int, H: int) -> None:
        self.inputs = I
        self.hidden = H
        self.graph = Graph()
        self.products: dict[tuple[Node | int, Matrix], int] = {}
        self.vectors: list[Bias] = []

    def parameter(self, name: str, shape: tuple[int, ...]) -> "Row | Weight":
        """A symbol for a parameter: a [k·H] vector becomes k values, a matrix waits for its product."""
        if len(shape) == 2:
            return Weight(self, (Block(name, False, (0, shape[0]), (0, shape[1])),))
        if len(shape) != 1 or shape[0] % self.hidden:
            raise HarnessError(f"the parameter {name!r} has the shape {shape}; wanted a matrix or a vector of (k·H,)")
        starts = range(0, shape[0], self.hidden)
        return Row(self, tuple(self._vector(Bias(name, (start, start + self.hidden))) for start in starts))

    def product(self, operand: Node | int, matrix: Matrix) -> Node:
        """The value operand @ matrixᵀ."""
        return self.graph.leaf("acc", self.products.setdefault((operand, matrix), len(self.products)))

    def each(self, name: str, *operands: Any) -> "Row":
        """One pointwise operation, on the values of the rows one by one."""
        sign = SIGNS.get(name, f"ops.{name}")
        rows = [None if isinstance(operand, Real) else operand.values(f"`{sign}`") for operand in operands]
        sizes = {len(row) for row in rows if row is not None}
        if len(sizes) > 1:
            raise HarnessError(f"`{sign}` broadcasts an array of width 1, which cannot be fused")
        (size,) = sizes
        full = [row or [self._number(operand)] * size for row, operand in zip(rows, operands, strict=True)]
        return Row(self, tuple(self.graph.operation(name, *values) for values in zip(*full, strict=True)))

    def cuts(self, parts: Sequence[Node | int]) -> list[tuple[int, int]]:
        """The ranges that the parts of a row take."""
        ends = [0]
        for part in parts:
            ends.append(ends[-1] + (self.inputs if part == X else self.hidden))
        return list(pairwise(ends))

    def _vector(self, bias: Bias) -> Node:
        self.vectors.append(bias)
        return self.graph.leaf("vector", len(self.vectors) - 1)

    def _number(self, value: Any) -> Node:
        try:
            number = float(value)
        except OverflowError:  # of an integer
            number = inf
        if not isfinite(number):
            raise HarnessError(f"the step computes with the number {number}, which cannot be fused")
        return self.graph.constant(number)


def _operator(name: str, *, swapped: bool = False) -> Callable[["Symbol", Any], "Row"]:
    def method(self: "Symbol", other: Any) -> "Row":
        return self.trace.each(name, *((other, self) if swapped else (self, other)))

    return method


class Symbol:
    """Python's operators, as a step may use them."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace

    def values(self, operation: str) -> tuple[Node, ...]:
        """The values of width H that `operation` works on. Raises HarnessError where there are none."""
        raise NotImplementedError

    def __neg__(self) -> "Row":
        return self.trace.each("neg", self)

    __add__, __radd__ = _operator("add"), _operator("add", swapped=True)
    __sub__, __rsub__ = _operator("sub"), _operator("sub", swapped=True)
    __mul__, __rmul__ = _operator("mul"), _operator("mul", swapped=True)
    __truediv__, __rtruediv__ = _operator("div"), _operator("div", swapped=True)
    __pow__, __rpow__ = _operator("pow"), _operator("pow", swapped=True)
    __lt__, __le__ = _operator("less"), _operator("less_equal")
    __gt__, __ge__ = _operator("greater"), _operator("greater_equal")
    __eq__, __ne__ = _operator("equal"), _operator("not_equal")  # type: ignore[assignment]
    __hash__ = object.__hash__


class Row(Symbol):
    """An array [B, W], or [W] of parameters: values of width H, and the input, side by side."""

    def __init__(self, trace: Trace, parts: Sequence[Node | int]) -> None:
        super().__init__(trace)
        self.parts = tuple(parts)

    def values(self, operation: str) -> tuple[Node, ...]:
        """Its parts; the input is no value."""
        if X in self.parts:
            raise HarnessError(f"the step uses the input x in {operation}; only its products (x @ …) can be fused")
        return tuple(part for part in self.parts if isinstance(part, Node))

    def __getitem__(self, key: tuple[Any, slice]) -> "Row":
        cuts = self.trace.cuts(self.parts)
        start, stop, _ = key[1].indices(cuts[-1][1])
        inside = [k for k, (begin, end) in enumerate(cuts) if start <= begin and end <= stop]
        if sum(cuts[k][1] - cuts[k][0] for k in inside) != stop - start:
            raise HarnessError(
                f"the slice [..., {start}:{stop}] of an array of width {cuts[-1][1]} "
                f"does not begin and end at a multiple of H = {self.trace.hidden}"
            )
        return Row(self.trace, [self.parts[k] for k in inside])

    def __matmul__(self, weight: "Weight") -> "Row":
        cuts = self.trace.cuts(self.parts)
        width, hidden = weight.shape[1], self.trace.hidden
        if width % hidden:
            raise HarnessError(f"`@` with {weight} makes an array of width {width}, no multiple of H = {hidden}")
        columns = []
        for start in range(0, width, hidden):
            terms = [
                self.trace.product(part, weight.matrix(rows, (start, start + hidden)))
                for part, rows in zip(self.parts, cuts, strict=True)
            ]
            columns.append(self.trace.graph.total(terms))
        return Row(self.trace, columns)


@dataclass(frozen=True, slots=True)
class Block:
    """Rows and columns of a parameter, or of its transpose."""

    parameter: str
    transposed: bool
    rows: tuple[int, int]
    columns: tuple[int, int]


class Weight(Symbol):
    """A matrix of parameters: blocks side by side, or one above the other where `stacked`."""

    def __init__(self, trace: Trace, blocks: Sequence[Block], *, stacked: bool = False) -> None:
        super().__init__(trace)
        self.blocks = tuple(blocks)
        self.stacked = stacked

    def __str__(self) -> str:
        return " and ".join(dict.fromkeys(block.parameter for block in self.blocks))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        rows = [block.rows[1] - block.rows[0] for block in self.blocks]
        columns = [block.columns[1] - block.columns[0] for block in self.blocks]
        return (sum(rows), columns[0]) if self.stacked else (rows[0], sum(columns))

    @property
    def T(self) -> "Weight":
        """The transpose."""
        turned = [Block(block.parameter, not block.transposed, block.columns, block.rows) for block in self.blocks]
        return Weight(self.trace, turned, stacked=not self.stacked)

    def __getitem__(self, key: tuple[Any, slice]) -> "Weight":
        start, stop, _ = key[1].indices(self.shape[1])
        return Weight(self.trace, [self._block((0, self.shape[0]), (start, stop))])

    def __matmul__(self, other: Any) -> "Row":
        raise HarnessError(f"the step uses {self} on the left of `@`; only arrays of the step times a matrix are fused")

    def values(self, operation: str) -> tuple[Node, ...]:
        """None: a matrix is only multiplied with."""
        raise HarnessError(f"the step uses the matrix {self} in {operation}; only products with it (… @ p) are fused")

    def matrix(self, rows: tuple[int, int], columns: tuple[int, int]) -> Matrix:
        """What takes an operand of these rows' width to these columns."""
        block = self._block(rows, columns)
        return Matrix(block.parameter, not block.transposed, block.columns, block.rows)

    def _block(self, rows: tuple[int, int], columns: tuple[int, int]) -> Block:
        """The one block that holds these rows and columns, cut to them. Raises HarnessError where two would."""
        begin = 0
        wanted = rows if self.stacked else columns
        for block in self.blocks:
            along = block.rows if self.stacked else block.columns
            end = begin + along[1] - along[0]
            if begin <= wanted[0] and wanted[1] <= end:
                shift = along[0] - begin
                cut = (wanted[0] + shift, wanted[1] + shift)
                if self.stacked:
                    return Block(block.parameter, block.transposed, cut, _within(block.columns, columns))
                return Block(block.parameter, block.transposed, _within(block.rows, rows), cut)
            begin = end
        raise HarnessError(f"a product or slice of {self} reaches over the seam of ops.concat, which cannot be fused")


def _within(outer: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int]:
    return outer[0] + inner[0], outer[0] + inner[1]
