"""The one home of the loop over `step`."""

from collections.abc import Iterable, Mapping

from harness.cell import Cell
from harness.ops import Array, Ops


def unroll(
    cell: Cell, ops: Ops, p: Mapping[str, Array], x: Iterable[Array], state: tuple[Array, ...]
) -> tuple[list[Array], tuple[Array, ...]]:
    """Runs the cell over a sequence.

    `x`: [T, B, I], anything that yields T arrays [B, I]; `state`: one [B, …] per state. Returns the T outputs,
    each [B, H], and the final states.
    """
    outputs = []
    for x_t in x:
        state = tuple(cell.step(ops, p, x_t, state))
        outputs.append(state[0])
    return outputs, state
