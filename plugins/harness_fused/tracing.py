"""Runs a step once on symbols: what it would compute becomes a `Recurrence`."""

import sys
from collections.abc import Mapping
from types import CodeType, FrameType
from typing import Any

from harness.cell import Cell
from harness.counting import count
from harness.errors import HarnessError
from harness_fused.phases import normal_form
from harness_fused.recurrence import Node, Recurrence, X
from harness_fused.symbols import Row, SymbolOps, Trace


def trace(cell: Cell, I: int, H: int) -> Recurrence:
    """The cell's step at input size I and width H in its normal form; no number is computed.

    Raises HarnessError, naming the operation, where the step uses what no step may (`harness.counting`) or what
    cannot be fused: the input outside a product, widths other than H, arithmetic on matrices.
    """
    count(cell, I, H)
    states = cell.states(I, H)
    for name, shape in states.items():
        if shape != (H,):
            raise HarnessError(f"the state {name!r} has the shape {shape}; only states of shape (H,) can be fused")
    trace = Trace(I, H)
    p = {name: trace.parameter(name, shape) for name, shape in cell.parameters(I, H).items()}
    state = tuple(Row(trace, (trace.graph.leaf("state", k),)) for k in range(len(states)))
    new, variables = _run(cell, p, Row(trace, (X,)), (SymbolOps(trace), state))
    following = tuple(row.values("a new state")[0] for row in new)
    names = {row.parts[0]: name for name, row in variables.items() if isinstance(row, Row) and len(row.parts) == 1}
    names |= {node: f"{name}_new" for name, node in zip(states, following, strict=True)}
    names |= {trace.graph.leaf("state", k): name for k, name in enumerate(states)}
    return normal_form(trace, following, {node: name for node, name in names.items() if isinstance(node, Node)})


def why_not(cell: Cell) -> str | None:
    """Why the cell's step cannot be fused, in its author's words, or None. Tried at I = 3, H = 5."""
    try:
        trace(cell, 3, 5)
    except HarnessError as error:
        return error.message
    return None


def _run(
    cell: Cell, p: Mapping[str, Any], x: Row, rest: tuple[SymbolOps, tuple[Row, ...]]
) -> tuple[tuple[Row, ...], dict[str, Any]]:
    """The new states, and what the step's local variables hold when it returns: the author's names of values."""
    ops, state = rest
    code: CodeType | None = getattr(cell.step, "__code__", None)
    variables: dict[str, Any] = {}

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "return" and frame.f_code is code:
            variables.update(frame.f_locals)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        new = tuple(cell.step(ops, p, x, state))
    finally:
        sys.setprofile(before)
    return new, variables
