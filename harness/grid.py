"""A grid: a TOML file's axes, validated once. What it plans is `planning.py`'s business."""

import itertools
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.backend import Dtype
from harness.errors import HarnessError, unknown
from harness.matching import MATCHINGS, Matching
from harness.options import configure, fit
from harness.settings import LayerShape, ModelSettings, TrainingSettings, check_timeout
from harness.spelling import Spelling, parse

MEASURES = ("accuracy", "gradients", "speed", "memory")
DTYPES = ("float32", "float64", "tf32", "bfloat16", "float16")

T = TypeVar("T", ModelSettings, TrainingSettings, LayerShape)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracySection:
    """One task with its models and trainings (every combination), seeds, and cells beside the grid's.

    `match`: how its cells are made comparable; None leaves it to the grid. `measure`: what is asked of the cells there;
    gradients are asked at initialisation and after each training.
    """

    task: Spelling
    measure: Literal["accuracy", "gradients"] = "accuracy"
    models: tuple[ModelSettings, ...] = (ModelSettings(),)
    trainings: tuple[TrainingSettings, ...] = (TrainingSettings(),)
    seeds: int | None = None
    also: tuple[Spelling, ...] = ()
    match: Matching | None = None

    def __post_init__(self) -> None:
        _known_matching(self.match)

    @property
    def asked_after(self) -> tuple[TrainingSettings | None, ...]:
        """The trainings after which the measure is asked; None is before any."""
        return (None, *self.trainings) if self.measure == "gradients" else self.trainings


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Axes. `cells` and `backends` are spellings and names, or None for all; `order` ranks backends for `auto`.

    `cell_options`: (cell, option, value), set wherever that cell stands. `accuracy_on`: `auto`, `all` or a backend.
    `versus`: the speed baselines, the first that can run a cell is taken. `match`: what cells have in common beside
    their shape, the hidden size itself or as many parameters or as much state as the `reference` cell, the grid's
    first unless it is named; it need not be among the cells that are run.
    """

    name: str
    title: str = ""
    cells: tuple[Spelling, ...] | None = None
    cell_options: tuple[tuple[str, str, Any], ...] = ()
    backends: tuple[str, ...] | None = None
    order: tuple[str, ...] = ()
    versus: tuple[str, ...] = ()
    measures: tuple[str, ...] = MEASURES
    seeds: int = 3
    timeout: float = 600.0
    device: str = "cpu"
    dtype: Dtype = "float32"
    accuracy_on: str = "auto"
    match: Matching = "hidden"
    reference: Spelling | None = None
    accuracy: tuple[AccuracySection, ...] = ()
    gradients: tuple[AccuracySection, ...] = ()
    speed: tuple[LayerShape, ...] = ()
    memory: tuple[LayerShape, ...] = ()

    def __post_init__(self) -> None:
        for measure in self.measures:
            if measure not in MEASURES:
                raise unknown("measure", measure, MEASURES)
        if self.dtype not in DTYPES:
            raise unknown("dtype", self.dtype, DTYPES)
        if self.device not in ("cpu", "cuda"):
            raise unknown("device", self.device, ("cpu", "cuda"))
        if not self.title.isprintable():
            raise HarnessError(f"wanted a title of one line, found {self.title!r}")
        if self.seeds < 1:
            raise HarnessError(f"wanted at least 1 seed, found {self.seeds}")
        check_timeout(self.timeout)
        _known_matching(self.match)

    @property
    def on_tasks(self) -> tuple[AccuracySection, ...]:
        """The sections that ask something of cells on tasks, of the grid's measures."""
        return tuple(section for section in (*self.accuracy, *self.gradients) if section.measure in self.measures)


def shipped_grids() -> dict[str, Path]:
    """The grids that come with the harness, by name."""
    folder = Path(str(files("harness").joinpath("grids")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def load_grid(name_or_file: str) -> Grid:
    """A shipped grid by name or a TOML file. Raises HarnessError naming the key and the nearest known one."""
    shipped = shipped_grids()
    path = shipped.get(name_or_file, Path(name_or_file))
    if not path.is_file():
        raise unknown("grid or a grid's file", name_or_file, shipped)
    try:
        plain = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise HarnessError(f"wanted a TOML file, found {path}: {error}") from error
    return parse_grid(path.stem, plain)


def parse_grid(name: str, plain: Mapping[str, Any]) -> Grid:
    """A grid from plain data. Raises HarnessError for unknown keys and wrong values."""
    texts = dict.fromkeys(("title", "device", "dtype", "accuracy_on", "match"), str)
    hints = {"seeds": int, "timeout": float} | texts
    known = {field.name for field in fields(Grid)} - {"name", "cell_options"}
    values: dict[str, Any] = {}
    for key, found in plain.items():
        if key not in known:
            raise unknown("grid key", key, known)
        if key in hints:
            values[key] = fit(found, hints[key], key)
        elif key == "reference":
            values[key] = parse(fit(found, str, key))
        elif key in ("order", "versus", "measures"):
            values[key] = tuple(_words(found, key))
        elif key in ("cells", "backends"):
            words = None if found == "all" else _words(found, key)
            values[key] = None if words is None else tuple(map(parse, words)) if key == "cells" else tuple(words)
        elif key == "accuracy":
            values[key] = tuple(_accuracy(section) for section in _tables(found, key))
        elif key == "gradients":
            values[key] = tuple(_gradients(section) for section in _tables(found, key))
        else:
            values[key] = tuple(shape for section in _tables(found, key) for shape in _shapes(section, key))
    return Grid(name=name, **values)


def _accuracy(plain: Mapping[str, Any], measure: str = "accuracy") -> AccuracySection:
    known = {"task", "model", "training", "seeds", "also", "match"}
    for key in plain:
        if key not in known:
            raise unknown(f"key of [[{measure}]]", key, known)
    if "task" not in plain:
        raise HarnessError(f"wanted a task in every [[{measure}]], found one without")
    return AccuracySection(
        task=parse(fit(plain["task"], str, "task")),
        models=tuple(combinations(ModelSettings(), plain.get("model", {}), "model")),
        trainings=tuple(combinations(TrainingSettings(), plain.get("training", {}), "training")),
        seeds=fit(plain.get("seeds"), int | None, "seeds"),
        also=tuple(map(parse, _words(plain.get("also", []), "also"))),
        match=fit(plain.get("match"), str | None, "match"),
    )


def _gradients(plain: Mapping[str, Any]) -> AccuracySection:
    """Without a training it is asked at initialisation alone."""
    section = replace(_accuracy(plain, "gradients"), measure="gradients")
    return section if "training" in plain else replace(section, trainings=())


def _shapes(plain: Mapping[str, Any], measure: str) -> Iterator[LayerShape]:
    for key in plain:
        if key != "shape":
            raise unknown(f"key of [[{measure}]]", key, ("shape",))
    default = LayerShape(batch=32, length=100, hidden=128, inputs=2)
    yield from combinations(default, plain.get("shape", {}), "shape")


def combinations(default: T, plain: Any, kind: str) -> Iterator[T]:
    """Every combination of the lists among the values: `{learning_rate = [0.01, 0.001]}` gives two."""
    if not isinstance(plain, Mapping):
        raise HarnessError(f"wanted a table for {kind}, found {plain!r}")
    axes = [value if isinstance(value, list) and value else [value] for value in plain.values()]
    for values in itertools.product(*axes):
        yield configure(default, dict(zip(plain, values, strict=True)), kind=kind)


def change_sections(grid: Grid, change: Callable[[AccuracySection], AccuracySection]) -> Grid:
    """The grid with every section on a task changed."""
    accuracy, gradients = (tuple(map(change, sections)) for sections in (grid.accuracy, grid.gradients))
    return replace(grid, accuracy=accuracy, gradients=gradients)


def set_task_option(grid: Grid, task: str, options: Mapping[str, Any]) -> Grid:
    """The grid with options added to every section of a task."""

    def changed(section: AccuracySection) -> AccuracySection:
        if section.task.name != task:
            return section
        return replace(section, task=Spelling(task, {**section.task.options, **options}))

    return change_sections(grid, changed)


def _known_matching(found: str | None) -> None:
    if found is not None and found not in MATCHINGS:
        raise unknown("matching", found, MATCHINGS)


def _words(found: Any, key: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(word, str) for word in found):
        raise HarnessError(f"wanted a list of words for {key}, found {found!r}")
    return found


def _tables(found: Any, key: str) -> list[Mapping[str, Any]]:
    if not isinstance(found, list) or not all(isinstance(table, Mapping) for table in found):
        raise HarnessError(f"wanted [[{key}]] sections, found {found!r}")
    return found
