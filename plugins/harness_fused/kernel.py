"""A recurrence as the driver wants it: the text to compile, its terms as addresses, its products as matrix views."""

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from harness.backend import LayerPlan
from harness.cell import Cell
from harness_fused import compiler
from harness_fused.differentiate import differentiate
from harness_fused.phases import phases_of
from harness_fused.recurrence import Recurrence
from harness_fused.source import emit
from harness_fused.storing import Storage, store
from harness_fused.tracing import trace

REALS = {"float32": "float", "float64": "double"}
BIAS, VECTOR = -2, -3


class Term(ctypes.Structure):
    """See driver/call.hpp."""

    _fields_ = [(name, ctypes.c_int64) for name in ("acc", "operand", "parameter", "offset", "row", "column")]


class Gradient(ctypes.Structure):
    """See driver/call.hpp."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("operand", "first", "count")),
        ("to", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("row", "column")),
    ]


COUNTS = ("steps", "batch", "inputs", "hidden", "chunk", "slots", "kept_step", "direct", "hoisted")
ARRAYS = (
    "packed", "x", "states", "start", "final", "kept", "scratch", "projected", "gradient", "d_y", "d_x", "d_state",
    "d_next", "d_acc", "operands", "d_vector", "d_bias", "d_across",
)  # fmt: skip


class Call(ctypes.Structure):
    """See driver/call.hpp."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in (*COUNTS, "terms", "gradients", "threads")),
        *((name, ctypes.c_void_p) for name in ("term", "parameters", *ARRAYS)),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbouring accumulators (or vectors), `first` … `last` − 1, whose matrices (or biases) are neighbouring rows.

    Their gradient is one: `offset`, `row`, `column` say where element M[j][k] of it is in the parameter.
    """

    operand: int
    first: int
    last: int
    parameter: str
    offset: int
    row: int
    column: int


@dataclass(frozen=True, eq=False)
class Kernel:
    """One cell at (I, H) in one number format."""

    recurrence: Recurrence
    storage: Storage
    text: str
    shapes: Mapping[str, tuple[int, ...]]

    def __deepcopy__(self, memo: object) -> "Kernel":
        """Itself: nothing in it ever changes, and a loaded library cannot be copied."""
        return self

    @cached_property
    def library(self) -> ctypes.CDLL:
        """The compiled library; compiled now if that was never done."""
        return compiler.load(self.text)

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every matrix, bias and vector that has a gradient, neighbours joined."""
        found: list[Run] = []
        places: dict[tuple[int, ...], int] = {}  # of a run, by what its next neighbour would have
        names = [*self.shapes]
        for term in sorted(self.terms, key=lambda term: (term.operand, term.acc)):
            kind = (term.operand, term.parameter, term.row, term.column)
            place = places.pop((*kind, term.acc, term.offset), None)
            if place is None:  # a second term like another, a bias added twice, is a run of its own
                place = len(found)
                run = Run(
                    operand=term.operand, first=term.acc, last=term.acc, parameter=names[term.parameter],
                    offset=term.offset, row=term.row, column=term.column,
                )  # fmt: skip
                found.append(run)
            found[place] = replace(found[place], last=term.acc + 1)
            places[*kind, term.acc + 1, term.offset + self.recurrence.hidden * term.row] = place
        return tuple(found)

    @cached_property
    def terms(self) -> ctypes.Array[Term]:
        """Every matrix, bias and vector as an address relative to its parameter."""
        found = list(self._terms())
        return (Term * len(found))(*found)

    @cached_property
    def scratch(self) -> int:
        """How many operands have a place of their own: all of them, if an earlier phase computes any."""
        computed = any(operand.state is None for operand in self.recurrence.operands)
        return len(self.recurrence.operands) if computed else 0

    @cached_property
    def direct(self) -> bool:
        """Whether every matrix of the loop has its rows lying together, so that one row needs no packing."""
        return all(term.column == 1 for term in self.terms if term.operand >= 0)

    def _terms(self) -> Iterator[Term]:
        place = {name: k for k, name in enumerate(self.shapes)}
        for i, acc in enumerate(self.recurrence.accumulators):
            for term in acc.terms:
                m = term.matrix
                width = self.shapes[m.parameter][1]
                row, column = (1, width) if m.transposed else (width, 1)
                offset = m.rows[0] * row + m.columns[0] * column
                yield Term(i, term.operand, place[m.parameter], offset, row, column)
            for bias in acc.biases:
                yield Term(i, BIAS, place[bias.parameter], bias.rows[0], 1, 1)
        for n, vector in enumerate(self.recurrence.vectors):
            yield Term(n, VECTOR, place[vector.parameter], vector.rows[0], 1, 1)


def kernel_of(cell: Cell, plan: LayerPlan) -> Kernel:
    """Traces the cell and writes its text; nothing is compiled yet. Raises HarnessError where it cannot be traced."""
    recurrence = trace(cell, plan.inputs, plan.hidden)
    storage = store(recurrence, differentiate(recurrence))
    shapes = cell.parameters(plan.inputs, plan.hidden)
    return Kernel(recurrence, storage, program(recurrence, storage, REALS[plan.dtype]), shapes)


def program(recurrence: Recurrence, storage: Storage, real: str) -> str:
    """The whole text of a library: the generated cell between the driver's functions and its loops.

    In an anonymous namespace, for the constants of equally named structs are otherwise shared among all libraries.
    """
    phase = phases_of(recurrence)
    rows = ", ".join(str(phase[node]) for node in storage.kept) or "0"
    return "\n".join(
        [
            f"#define REAL {real}",
            '#include "functions.hpp"',
            "namespace {",
            "namespace cell {",
            emit(recurrence, ""),
            "}  // namespace cell",
            f"constexpr int KEPT_PHASE[] = {{{rows}}};",
            "}  // namespace",
            '#include "library.hpp"',
            "",
        ]
    )
