"""Is this cell right, and does this backend compute it? Imports torch."""

from harness.conformance.gate import examine
from harness.conformance.report import Check, GateReport

__all__ = ["Check", "GateReport", "examine"]
