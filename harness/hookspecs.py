"""Every hook a plugin may implement, each with an example. Values, not registration calls."""

from collections.abc import Callable, Iterable
from typing import Any

from harness.backend import Backend
from harness.cell import Cell
from harness.task import Task


def _markers() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """pluggy's markers. Where there is no pluggy nothing is plugged in, and nothing is marked: layers and the gate
    work on a bare machine with torch alone.
    """
    try:
        import pluggy
    except ModuleNotFoundError:
        return (lambda function: function,) * 2
    return pluggy.HookspecMarker("harness"), pluggy.HookimplMarker("harness")


hookspec, hookimpl = _markers()


@hookspec
def harness_cells() -> Iterable[Cell]:
    """The cells this plugin offers, each with its default options.

    ```python
    @harness.hookimpl
    def harness_cells():
        return [MinimalGatedUnit()]
    ```
    """


@hookspec
def harness_backends() -> Iterable[Backend]:
    """The backends this plugin offers.

    ```python
    @harness.hookimpl
    def harness_backends():
        return [MyFastBackend()]
    ```
    """


@hookspec
def harness_tasks() -> Iterable[Task]:
    """The tasks this plugin offers, each with its default options.

    ```python
    @harness.hookimpl
    def harness_tasks():
        return [Parity(length=20)]
    ```
    """
