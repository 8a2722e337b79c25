"""Figures of whole grid runs: declared here, filled by `harness track import RUN`, never run by asv.

They are what `harness run --cells all` measured by the harness's own means, at that grid's sizes and budget.
"""

from . import grid


class Runs:
    """Under `asv run` all of it is a gap."""

    version = "1"

    def setup(self, *_: str) -> None:
        """Nothing to run."""
        raise NotImplementedError("harness track import RUN fills this")


class RunsAccuracy(Runs):
    """A cell on a task; a sample is a seed."""

    params = (grid.CELLS, grid.TASKS)
    param_names = ("cell", "task")
    unit = "error"

    def track_error(self, *_: str) -> None:
        """The test's leading score where less is better, 1 minus it where more is."""


class RunsCosts(Runs):
    """A cell on a backend at a shape."""

    params = (grid.CELLS, grid.BACKENDS, grid.SHAPES)
    param_names = ("cell", "backend", "shape")

    def track_train_step(self, *_: str) -> None:
        """The median time of a train step beside its baseline."""

    def track_train_peak(self, *_: str) -> None:
        """The allocator's peak of a train step."""

    track_train_step.unit = "seconds"
    track_train_peak.unit = "bytes"
