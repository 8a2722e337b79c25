"""Every hook a plugin may implement, each with an example. Values, not registration calls."""

from collections.abc import Iterable

import pluggy

from harness.backend import Backend
from harness.cell import Cell
from harness.task import Task

hookspec = pluggy.HookspecMarker("harness")
hookimpl = pluggy.HookimplMarker("harness")


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
