"""The axes of the tracked suite, `benchmarks/grid.json`: they grow at their ends and never change otherwise.

asv numbers the points of the grid. A name that moved, or one taken from whatever is installed at a commit, would give
one cell's curve to another.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import plugins
from harness.errors import HarnessError, unknown
from harness.settings import parse_shape
from harness.spelling import parse

AXES = ("cells", "backends", "shapes", "tasks")
"""What `benchmarks/grid.py` reads."""
MOST_VALUES = 8
"""Of an axis: beyond that, asv's boxes scroll and its legends are noise."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Names by axis, in the order in which they came to be tracked."""

    values: Mapping[str, tuple[str, ...]]

    def of(self, axis: str) -> tuple[str, ...]:
        """The names on an axis. Raises HarnessError for an axis there is not."""
        if axis not in self.values:
            raise unknown("axis", axis, self.values)
        return self.values[axis]

    def grown(self, axis: str, names: Sequence[str]) -> "Axes":
        """With the names that are new appended. Raises HarnessError where the axis would have more than eight."""
        new = dict.fromkeys(name for name in names if name not in self.of(axis))
        grown = (*self.of(axis), *new)
        if len(grown) > MOST_VALUES:
            raise HarnessError(
                f"wanted at most {MOST_VALUES} {axis}, found {len(grown)} with {', '.join(new)}",
                hint="the full grid belongs to `harness run`",
            )
        return Axes({**self.values, axis: grown})


def checked(axis: str, names: Sequence[str], files: Sequence[Path]) -> list[str]:
    """The names as records spell them. Raises HarnessError for what the plugins, those of `files` too, do not offer."""
    if axis == "shapes":
        return [str(parse_shape(name)) for name in names]
    catalog = plugins.load(files)
    spellings = [parse(name) for name in names]
    for spelling in spellings:
        if axis == "cells":
            catalog.cell(spelling)
        elif axis == "tasks":
            catalog.task(spelling)
        elif axis == "backends":
            catalog.backend(spelling.name)
    return [str(spelling) for spelling in spellings]


def read(path: Path) -> Axes:
    """Reads the axes. Raises HarnessError where the file is missing or not of its form."""
    try:
        plain = json.loads(path.read_text("utf-8"))
        if not isinstance(plain, dict) or not all(isinstance(plain.get(axis), list) for axis in AXES):
            raise ValueError(f"a list of names for each of {', '.join(AXES)}")
        return Axes({axis: tuple(map(str, names)) for axis, names in plain.items()})
    except (OSError, ValueError, TypeError) as error:
        hint = f"git checkout {path.parent.name}/{path.name}"
        raise HarnessError(f"wanted the axes of the suite in {path}, found none: {error}", hint=hint) from error


def write(axes: Axes, path: Path) -> None:
    """Writes them, one name a line: a diff shows what came."""
    plain = {axis: list(names) for axis, names in axes.values.items()}
    path.write_text(json.dumps(plain, indent=2, ensure_ascii=False) + "\n", "utf-8")
