"""For plugin authors' own tests: the conformance kit as assertions and as pytest's parameters. Imports torch when used.

from harness.testing import assert_cell_ok, checks_of

def test_my_cell():
    assert_cell_ok(MyCell())

@pytest.mark.parametrize("result", checks_of(MyCell()), ids=str)
def test_a_check(result):
    result.assert_ok()
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.backend import Backend
from harness.cell import Cell
from harness.kit.result import Result, expecting
from harness.task import Task


@dataclass(frozen=True, slots=True)
class Checked:
    """One check's result, to be asserted by a test of its own."""

    result: Result

    def __str__(self) -> str:
        return f"{self.result.subject}-{self.result.check}".replace(" ", "_")

    def assert_ok(self) -> None:
        """Raises AssertionError, with shape, element and likely cause, where the check failed."""
        _assert([self.result])


def assert_cell_ok(
    cell: Cell, backend: Backend | None = None, *, expected_failures: Mapping[str, str] | None = None
) -> None:
    """Raises AssertionError, telling every failed check, unless the cell passes all of them on the backend.

    `backend`: by default `eager`, which runs any step, or the module's own for a cell without an equation.
    `expected_failures`: name of a check → why it fails; one that passes is a failure. Warnings raise nothing.
    """
    _assert(results_of(cell, backend, expected_failures=expected_failures))


def assert_backend_ok(backend: Backend, *, expected_failures: Mapping[str, str] | None = None) -> None:
    """Raises AssertionError unless every installed cell that the backend runs passes on it; also where it runs none.

    What is expected to fail is expected of every cell.
    """
    from harness import plugins

    cells = [entry.value for entry in plugins.load().cells.values()]
    able = [cell for cell in cells if backend.why_not(cell, "cpu", "float32") is None]
    if not able:
        raise AssertionError(f"{backend.about.name} runs none of the cells on a CPU: there is nothing to check")
    for cell in able:
        _assert(results_of(cell, backend, expected_failures=expected_failures))


def assert_task_ok(task: Task, *, expected_failures: Mapping[str, str] | None = None) -> None:
    """Raises AssertionError, telling every failed check, unless the task passes all of them."""
    from harness.kit.tasks import check_task

    _assert(expecting(check_task(task), expected_failures or {}))


def checks_of(
    cell: Cell, backend: Backend | None = None, *, expected_failures: Mapping[str, str] | None = None
) -> list[Checked]:
    """Every check's result, for `pytest.mark.parametrize(…, ids=str)`; they are found when this is called."""
    return [Checked(result) for result in results_of(cell, backend, expected_failures=expected_failures)]


def results_of(
    cell: Cell, backend: Backend | None = None, *, expected_failures: Mapping[str, str] | None = None
) -> list[Result]:
    """Every check's result, as values."""
    from harness import plugins
    from harness.kit.layers import Pair, check_layer

    catalog = plugins.load()
    chosen = backend or catalog.backend("eager" if cell.has_equation else "torch")
    others = tuple(entry.value for entry in catalog.cells.values())
    return expecting(check_layer(Pair(cell=cell, backend=chosen, others=others)), expected_failures or {})


def _assert(results: Sequence[Result]) -> None:
    from harness.kit.telling import lines

    bad = [result for result in results if result.is_bad]
    if bad:
        raise AssertionError("\n".join(lines(bad)))
