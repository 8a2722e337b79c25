"""The plugin author's whole vocabulary, and the two doors for Python users: `build` and `load`."""

from harness.about import About
from harness.backend import Backend, Layer, LayerPlan
from harness.cell import Cell, Example
from harness.doors import build, load
from harness.errors import HarnessError
from harness.hookspecs import hookimpl
from harness.module_cell import ModuleCell, module_cell
from harness.task import Batch, Criterion, Kind, Metric, Problem, Real, Symbols, Task
from harness.unroll import unroll

__version__ = "0.1.0"

__all__ = [
    "About",
    "Backend",
    "Batch",
    "Cell",
    "Criterion",
    "Example",
    "HarnessError",
    "Kind",
    "Layer",
    "LayerPlan",
    "Metric",
    "ModuleCell",
    "Problem",
    "Real",
    "Symbols",
    "Task",
    "build",
    "hookimpl",
    "load",
    "module_cell",
    "unroll",
]
