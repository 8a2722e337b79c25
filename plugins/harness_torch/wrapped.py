"""Somebody's own module behind the contract of a layer."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from harness.backend import LayerPlan
from harness.layer import CellLayer, State, torch_dtype
from harness.module_cell import ModuleCell


class WrappedLayer(CellLayer):
    """The module itself; its parameters have the names that it gave them."""

    cell: ModuleCell

    def __init__(self, cell: ModuleCell, plan: LayerPlan) -> None:
        nn.Module.__init__(self)
        self.cell, self.plan = cell, plan
        self.module = cell.module(plan.inputs, plan.hidden).to(plan.device, torch_dtype(plan.dtype))
        self._nested = cell.nested_states(plan.inputs, plan.hidden)

    def named_parameters(self, *arguments: Any, **options: Any) -> Iterator[tuple[str, nn.Parameter]]:
        """The module's own."""
        return self.module.named_parameters(*arguments, **options)

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states; without states the module begins as it likes."""
        y, final = self.module(x, self._nested.pack(state) if state else None)
        return y, self._nested.unpack(final)

    def _checked(self, state: Any, x: Tensor) -> State:
        return super()._checked(state, x) if state is not None else ()
