"""Runs a step once on symbols: what it would compute becomes a `Recurrence`."""

import sys
from collections.abc import Mapping, Sequence
from functools import partial
from types import CodeType, FrameType
from typing import Any

from harness.cell import Cell
from harness.counting import count
from harness.errors import HarnessError
from harness_fused.phases import normal_form
from harness_fused.recurrence import Node, Recurrence, X
from harness_fused.symbols import Row, Trace, Weight


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
    new, variables = _run(cell, SymbolOps(trace), p, Row(trace, (X,)), state)
    following = tuple(row.values("a new state")[0] for row in new)
    names = {row.parts[0]: name for name, row in variables.items() if isinstance(row, Row) and len(row.parts) == 1}
    names |= {node: f"{name}_new" for name, node in zip(states, following, strict=True)}
    names |= {trace.graph.leaf("state", k): name for k, name in enumerate(states)}
    return normal_form(trace, following, {node: name for node, name in names.items() if isinstance(node, Node)})


def why_not(cell: Cell) -> str | None:
    """Why the cell's step cannot be fused, in its author's words, or None. Tried at I = 3, H = 5."""
    if not cell.has_equation:
        return f"{cell.about.name} is a module and has no equation"
    try:
        trace(cell, 3, 5)
    except HarnessError as error:
        return error.message
    return None


def _run(
    cell: Cell, ops: "SymbolOps", p: Mapping[str, Any], x: Row, state: tuple[Row, ...]
) -> tuple[tuple[Row, ...], dict[str, Any]]:
    """The new states, and what the step's local variables hold when it returns: the author's names of values."""
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


class SymbolOps:
    """`Ops` on symbols."""

    def __init__(self, trace: Trace) -> None:
        each = partial(partial, trace.each)
        self.sigmoid, self.tanh, self.relu, self.softplus = (
            each("sigmoid"),
            each("tanh"),
            each("relu"),
            each("softplus"),
        )
        self.exp, self.log, self.sqrt, self.abs = each("exp"), each("log"), each("sqrt"), each("abs")
        self.maximum, self.minimum, self.where = each("maximum"), each("minimum"), each("where")

    def split(self, a: "Row | Weight", n: int) -> list[Any]:
        """`n` equal parts along the last axis."""
        width = (a.shape[1] if isinstance(a, Weight) else a.trace.cuts(a.parts)[-1][1]) // n
        return [a[..., k * width : (k + 1) * width] for k in range(n)]

    def concat(self, arrays: "Sequence[Row | Weight]") -> "Row | Weight":
        """The parts joined along the last axis."""
        trace = arrays[0].trace
        weights = [array for array in arrays if isinstance(array, Weight)]
        if not weights:
            return Row(trace, [part for row in arrays if isinstance(row, Row) for part in row.parts])
        if any(weight.stacked and len(weight.blocks) > 1 for weight in weights):
            raise HarnessError("the step joins matrices by ops.concat along both axes, which cannot be fused")
        return Weight(trace, [block for weight in weights for block in weight.blocks])
