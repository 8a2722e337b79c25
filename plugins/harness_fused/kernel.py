"""A recurrence as the driver wants it: the text to compile, its terms as addresses, its products as matrix views."""

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import prod

from torch import Tensor

from harness.backend import LayerPlan
from harness.cell import Cell
from harness_fused import compiler
from harness_fused.differentiate import differentiate
from harness_fused.phases import phases_of
from harness_fused.recurrence import Matrix, Recurrence, X
from harness_fused.source import emit
from harness_fused.storing import Storage, store
from harness_fused.tracing import trace

REALS = {"float32": "float", "float64": "double"}
BIAS, VECTOR = -2, -3


class Term(ctypes.Structure):
    """See driver/call.hpp."""

    _fields_ = [(name, ctypes.c_int64) for name in ("acc", "operand", "parameter", "offset", "row", "column")]


class Call(ctypes.Structure):
    """See driver/call.hpp."""

    _fields_ = [
        *((n, ctypes.c_int64) for n in ("batch", "inputs", "hidden", "slots", "kept_step", "operand_steps", "terms")),
        *((n, ctypes.c_int64) for n in ("share", "direct")),
        *((n, ctypes.c_void_p) for n in ("term", "parameters", "packed", "states", "kept", "scratch", "x")),
        *((n, ctypes.c_void_p) for n in ("projected", "d_y", "d_state", "d_next", "d_acc", "operands")),
        *((n, ctypes.c_void_p) for n in ("d_vector", "d_bias")),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbouring accumulators whose matrices are neighbouring rows: one product serves them all.

    `accs`: half-open range; `places`: theirs among the accumulators that read x; `matrix`: of all of them.
    """

    accs: tuple[int, int]
    places: tuple[int, int]
    matrix: Matrix

    def view(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """[accs · H, K] of the parameter, or of a gradient shaped like it."""
        whole = parameters[self.matrix.parameter]
        return (whole.T if self.matrix.transposed else whole)[slice(*self.matrix.rows), slice(*self.matrix.columns)]


@dataclass(frozen=True, slots=True)
class VectorRun:
    """Neighbouring biases (or vectors) `first` … `last` − 1 that are neighbouring rows of a parameter."""

    parameter: str
    rows: tuple[int, int]
    first: int
    last: int
    is_vector: bool


@dataclass(frozen=True, eq=False)
class Kernel:
    """One cell at (I, H) in one number format."""

    recurrence: Recurrence
    storage: Storage
    text: str
    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def library(self) -> ctypes.CDLL:
        """The compiled library; compiled now if that was never done."""
        return compiler.load(self.text)

    @cached_property
    def runs(self) -> dict[int, tuple[Run, ...]]:
        """By operand (`X` or its index): the products with it."""
        operands = (X, *range(len(self.recurrence.operands)))
        return {operand: tuple(_runs(self.recurrence, operand)) for operand in operands}

    @cached_property
    def terms(self) -> ctypes.Array[Term]:
        """Every matrix, bias and vector as an address relative to its parameter."""
        found = list(self._terms())
        return (Term * len(found))(*found)

    @cached_property
    def vectors(self) -> tuple["VectorRun", ...]:
        """Every bias and vector, neighbours joined."""
        accumulators = enumerate(self.recurrence.accumulators)
        single = [(bias, i, False) for i, acc in accumulators for bias in acc.biases]
        single += [(vector, n, True) for n, vector in enumerate(self.recurrence.vectors)]
        found: dict[tuple[str, int, int, bool], VectorRun] = {}  # by the row and the place where the next would begin
        for bias, n, is_vector in single:
            before = found.pop((bias.parameter, bias.rows[0], n, is_vector), None)
            first, start = (before.first, before.rows[0]) if before else (n, bias.rows[0])
            run = VectorRun(bias.parameter, (start, bias.rows[1]), first, n + 1, is_vector)
            found[bias.parameter, bias.rows[1], n + 1, is_vector] = run
        return tuple(found.values())

    @cached_property
    def whole(self) -> frozenset[str]:
        """The parameters that one product's gradient covers, so that nothing need be zero before it is added."""
        matrices = [run.matrix for runs in self.runs.values() for run in runs]
        names = [matrix.parameter for matrix in matrices]
        return frozenset(
            m.parameter
            for m in matrices
            if names.count(m.parameter) == 1
            and (m.rows[1] - m.rows[0]) * (m.columns[1] - m.columns[0]) == prod(self.shapes[m.parameter])
        )

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


def _runs(recurrence: Recurrence, operand: int) -> Iterator[Run]:
    readers = [i for i, acc in enumerate(recurrence.accumulators) if any(t.operand == operand for t in acc.terms)]
    found: list[Run] = []
    for place, i in enumerate(readers):
        for term in recurrence.accumulators[i].terms:
            if term.operand == operand:
                run = Run(accs=(i, i + 1), places=(place, place + 1), matrix=term.matrix)
                joined = _joined(found[-1], run) if found else None
                found[len(found) - 1 if joined else len(found) :] = [joined or run]
    yield from found


def _joined(a: Run, b: Run) -> Run | None:
    """Both as one, where b goes on where a ends."""
    m, n = a.matrix, b.matrix
    same = (m.parameter, m.transposed, m.columns) == (n.parameter, n.transposed, n.columns)
    if not same or m.rows[1] != n.rows[0] or a.accs[1] != b.accs[0]:
        return None
    matrix = Matrix(m.parameter, m.transposed, (m.rows[0], n.rows[1]), m.columns)
    return Run(accs=(a.accs[0], b.accs[1]), places=(a.places[0], b.places[1]), matrix=matrix)
