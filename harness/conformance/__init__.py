"""Is this cell right, and does this backend compute it? Imports torch."""

from harness.backend import Backend, Dtype
from harness.cell import Cell
from harness.conformance import gate, itself
from harness.conformance.cases import CASES, Case
from harness.conformance.report import Check, GateReport


def examine(cell: Cell, backend: Backend, device: str, dtype: Dtype, cases: tuple[Case, ...] = CASES) -> GateReport:
    """Examines a pair: against the cell's equation where it has one, else against itself."""
    judge = gate if cell.has_equation else itself
    return judge.examine(cell, backend, device, dtype, cases)


__all__ = ["Check", "GateReport", "examine"]
