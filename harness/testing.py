"""For plugin authors' own tests: the conformance kit as assertions and as pytest's parameters. Imports torch when used.

from harness.testing import assert_cell_ok, checks_of

def test_my_cell():
    assert_cell_ok(MyCell())

@pytest.mark.parametrize("check", checks_of(MyCell()), ids=str)
def test_a_check(check):
    check.assert_ok()
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from harness.backend import Backend
from harness.cell import Cell
from harness.kit.result import Result, expecting
from harness.task import Task


@dataclass(frozen=True, slots=True)
class Checked:
    """One check, to be asserted by a test of its own; the first of a cell's that is asserted runs them all."""

    subject: str
    check: str
    results: Callable[[], list[Result]]

    def __str__(self) -> str:
        return f"{self.subject}-{self.check}".replace(" ", "_")

    def assert_ok(self) -> None:
        """Raises AssertionError, with shape, element and likely cause, where the check failed."""
        _assert([result for result in self.results() if result.check == self.check])


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
    """Every check, for `pytest.mark.parametrize(…, ids=str)`. Collecting them runs none."""
    from harness.kit.checks import LAYER

    chosen = _chosen(cell, backend)
    found = cache(lambda: results_of(cell, chosen, expected_failures=expected_failures))
    subject = f"{cell.about.name}@{chosen.about.name}"
    return [Checked(subject=subject, check=check.name, results=found) for check in LAYER]


def results_of(
    cell: Cell, backend: Backend | None = None, *, expected_failures: Mapping[str, str] | None = None
) -> list[Result]:
    """Every check's result, as values."""
    from harness import plugins
    from harness.kit.layers import Pair, check_layer

    others = tuple(entry.value for entry in plugins.load().cells.values())
    pair = Pair(cell=cell, backend=_chosen(cell, backend), others=others)
    return expecting(check_layer(pair), expected_failures or {})


def _chosen(cell: Cell, backend: Backend | None) -> Backend:
    """The backend, or the one that runs any step, or any module."""
    from harness import plugins

    return backend or plugins.load().backend("eager" if cell.has_equation else "torch")


def _assert(results: Sequence[Result]) -> None:
    from harness.kit.telling import lines

    bad = [result for result in results if result.is_bad]
    if bad:
        raise AssertionError("\n".join(lines(bad)))
