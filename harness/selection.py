"""What the command line changes in a grid: fewer or other cells, backends, tasks, and single settings."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from harness.errors import HarnessError, unknown
from harness.grid import AccuracySection, Grid, combinations, set_task_option
from harness.spelling import Spelling, parse, parse_scalar, split_list


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The flags of `run` and `plan`, as they were typed; None leaves the grid as it is."""

    cells: str | None = None
    backends: str | None = None
    tasks: str | None = None
    measures: str | None = None
    seeds: int | None = None
    sets: tuple[str, ...] = ()
    device: str | None = None
    dtype: str | None = None
    timeout: float | None = None
    accuracy_on: str | None = None
    match: str | None = None
    reference: str | None = None


def select(grid: Grid, selection: Selection) -> Grid:
    """The grid with the flags applied. Raises HarnessError for what cannot be read."""
    changes: dict[str, Any] = {
        name: getattr(selection, name)
        for name in ("device", "dtype", "timeout", "accuracy_on", "match")
        if getattr(selection, name) is not None
    }
    if selection.cells is not None:
        changes["cells"] = _all_or(selection.cells, parse)
    if selection.backends is not None:
        changes["backends"] = _all_or(selection.backends, str)
    if selection.measures is not None:
        changes["measures"] = tuple(split_list(selection.measures))
    if selection.tasks is not None and selection.tasks != "all":
        wanted = map(parse, split_list(selection.tasks))
        changes["accuracy"] = tuple(section for task in wanted for section in _sections(grid, task))
    if selection.seeds is not None:
        changes["seeds"] = selection.seeds
        sections = changes.get("accuracy", grid.accuracy)
        changes["accuracy"] = tuple(replace(section, seeds=None) for section in sections)
    if selection.reference is not None:
        changes["reference"] = parse(selection.reference)
    if selection.match is not None:
        sections = changes.get("accuracy", grid.accuracy)
        changes["accuracy"] = tuple(replace(section, match=None) for section in sections)
    grid = replace(grid, **changes)
    for text in selection.sets:
        grid = _set(grid, text)
    return grid


def _all_or(text: str, read: Any) -> tuple[Any, ...] | None:
    return None if text == "all" else tuple(read(word) for word in split_list(text))


def _sections(grid: Grid, task: Spelling) -> Iterable[AccuracySection]:
    """The grid's sections of that task, their options overridden; one with default settings where it has none."""
    found = [
        replace(section, task=Spelling(task.name, {**section.task.options, **task.options}))
        for section in grid.accuracy
        if section.task.name == task.name
    ]
    return found or [AccuracySection(task=task)]


def _set(grid: Grid, text: str) -> Grid:
    """One `--set`: `task.adding.length=200`, `cell.lstm.forget_bias=1`, `model.hidden=128`, `training.batch=64`."""
    path, equals, value = text.partition("=")
    parts = path.strip().split(".")
    values = [parse_scalar(part) for part in split_list(value)]
    if not equals or not values:
        raise HarnessError(f"wanted --set PATH=VALUE, found {text!r}", hint="--set training.learning_rate=0.003")
    match parts:
        case ["task", task, option]:
            if task not in {section.task.name for section in grid.accuracy}:
                raise unknown("task of the grid", task, {section.task.name for section in grid.accuracy})
            return set_task_option(grid, task, {option: _only(values, text)})
        case ["cell", cell, option]:
            return replace(grid, cell_options=(*grid.cell_options, (cell, option, _only(values, text))))
        case ["model", option]:
            sections = [replace(s, models=_changed(s.models, option, values, "model")) for s in grid.accuracy]
            return replace(grid, accuracy=tuple(sections))
        case ["training", option]:
            sections = [replace(s, trainings=_changed(s.trainings, option, values, "training")) for s in grid.accuracy]
            return replace(grid, accuracy=tuple(sections))
    raise HarnessError(
        f"wanted task.NAME.OPTION, cell.NAME.OPTION, model.OPTION or training.OPTION before =, found {path!r}"
    )


def _changed(settings: tuple[Any, ...], option: str, values: list[Any], kind: str) -> tuple[Any, ...]:
    """Every setting with the option at each value; what thereby becomes equal is kept once."""
    changed = [c for setting in settings for c in combinations(setting, {option: values}, kind)]
    return tuple(dict.fromkeys(changed))


def _only(values: list[Any], text: str) -> Any:
    if len(values) != 1:
        raise HarnessError(f"wanted one value, found {text!r}", hint="only model and training options take lists")
    return values[0]
