"""Kernels read a cell's matrices where they are if these lie as wanted, else in one copy."""

import pytest
import torch

from harness.backend import LayerPlan
from harness_fused.cuda.matrices import matrix, pairs
from harness_fused.kernel import kernel_of
from harness_fused.recurrence import X


def drawn(kernel):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(*size, generator=generator) for name, size in kernel.shapes.items()}


@pytest.mark.parametrize(("cell", "of_x"), [("lstm", False), ("lstm", True), ("gru", False), ("gru", True)])
def test_matrices_that_lie_as_wanted_are_not_copied(cells, cell, of_x):
    kernel = kernel_of(cells[cell], LayerPlan(inputs=3, hidden=5))
    parameters = drawn(kernel)
    found = matrix(kernel, parameters, of_x)
    assert found.data_ptr() == parameters["weight_ih" if of_x else "weight_hh"].data_ptr()
    assert found.shape == parameters["weight_ih" if of_x else "weight_hh"].shape


def test_every_cell_s_matrices_are_in_the_order_of_its_products(cells):
    for cell in cells.values():
        kernel = kernel_of(cell, LayerPlan(inputs=3, hidden=5))
        parameters = drawn(kernel)
        for of_x in (False, True):
            found = matrix(kernel, parameters, of_x)
            assert found.is_contiguous()
            accs = enumerate(kernel.recurrence.accumulators)
            keys = [(i, X) for i, acc in accs if any(t.operand == X for t in acc.terms)] if of_x else pairs(kernel)
            assert len(found) == 5 * len(keys)
            for n, (acc, operand) in enumerate(keys):
                wanted = torch.zeros(5, found.shape[1])
                for term in kernel.recurrence.accumulators[acc].terms:
                    if term.operand == operand:
                        m = term.matrix
                        whole = parameters[m.parameter].T if m.transposed else parameters[m.parameter]
                        wanted += whole[m.rows[0] : m.rows[1], m.columns[0] : m.columns[1]]
                torch.testing.assert_close(found[5 * n : 5 * n + 5], wanted, rtol=0, atol=0)
