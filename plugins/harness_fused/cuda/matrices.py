"""A cell's parameters as kernels want them: matrices of products one above the other, sums of biases.

Where a parameter already holds them so, as `weight_hh` of an LSTM does, nothing is copied.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from harness_fused.kernel import Kernel
from harness_fused.recurrence import X


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """`rows` rows of a matrix M: M[j][k] is element offset + j · row + k · column of the parameter."""

    parameter: str
    rows: int
    offset: int
    row: int
    column: int

    def of(self, parameters: Mapping[str, Tensor], width: int) -> Tensor:
        """The view itself, [rows, width]."""
        return parameters[self.parameter].as_strided((self.rows, width), (self.row, self.column), self.offset)


def pairs(kernel: Kernel) -> list[tuple[int, int]]:
    """Every accumulator and in-loop operand with a product, in the order of the kernels' `weights`."""
    return sorted({(term.acc, term.operand) for term in kernel.terms if term.operand >= 0})


@lru_cache(maxsize=64)
def views(kernel: Kernel, of_x: bool) -> tuple[tuple[View, ...], ...]:
    """What lies one above the other, for in-loop products or those of x: each a sum of views, neighbours joined."""
    names, H = [*kernel.shapes], kernel.recurrence.hidden
    found: dict[tuple[int, int], list[View]] = {}
    for term in kernel.terms:
        if term.operand == X if of_x else term.operand >= 0:
            view = View(parameter=names[term.parameter], rows=H, offset=term.offset, row=term.row, column=term.column)
            found.setdefault((term.acc, term.operand), []).append(view)
    joined: list[tuple[View, ...]] = []
    for key in sorted(found):
        mine = tuple(found[key])
        before = joined[-1][0] if joined and len(joined[-1]) == len(mine) == 1 else None
        if before and replace(before, rows=H, offset=before.offset + before.rows * before.row) == mine[0]:
            joined[-1] = (replace(before, rows=before.rows + H),)
        else:
            joined.append(mine)
    return tuple(joined)


def matrix(kernel: Kernel, parameters: Mapping[str, Tensor], of_x: bool) -> Tensor:
    """[pairs · H, H], or of x [readers · H, I], contiguous."""
    width = kernel.recurrence.inputs if of_x else kernel.recurrence.hidden
    parts = []
    for group in views(kernel, of_x):
        first, *others = (view.of(parameters, width) for view in group)
        for other in others:
            first = first + other
        parts.append(first)
    if not parts:
        return next(iter(parameters.values())).new_zeros(0, width)
    return parts[0].contiguous() if len(parts) == 1 else torch.cat(parts)


def sums(kernel: Kernel, parameters: Mapping[str, Tensor], kind: int, count: int) -> Tensor:
    """Sums of the biases of `count` accumulators, or as many vectors, [count, H] in float32."""
    H = kernel.recurrence.hidden
    found = next(iter(parameters.values())).new_zeros(count * H, dtype=torch.float32)
    for run in kernel.runs:
        if run.operand == kind:
            rows = (run.last - run.first) * H
            found[run.first * H : run.last * H] += parameters[run.parameter][run.offset : run.offset + rows]
    return found.view(count, H)
