"""What the command line changes in a grid: fewer or other cells, backends, tasks, and single settings."""

from dataclasses import dataclass, replace
from typing import Any

from harness.errors import HarnessError, unknown
from harness.grid import AccuracySection, Grid, change_sections, combinations, set_task_option
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
        wanted = [parse(task) for task in split_list(selection.tasks)]
        changes |= {"accuracy": (), "gradients": ()}
        for task in wanted:
            changes["accuracy"] += _of_task(grid.accuracy, task) or (AccuracySection(task=task),)
            changes["gradients"] += _of_task(grid.gradients, task) or _asked_for(task, changes.get("measures", ()))
    if selection.seeds is not None:
        changes["seeds"] = selection.seeds
    if selection.reference is not None:
        changes["reference"] = parse(selection.reference)
    grid = replace(grid, **changes)
    if selection.seeds is not None:
        grid = change_sections(grid, lambda section: replace(section, seeds=None))
    if selection.match is not None:
        grid = change_sections(grid, lambda section: replace(section, match=None))
    for text in selection.sets:
        grid = _set(grid, text)
    return grid


def _all_or(text: str, read: Any) -> tuple[Any, ...] | None:
    return None if text == "all" else tuple(read(word) for word in split_list(text))


def _of_task(sections: tuple[AccuracySection, ...], task: Spelling) -> tuple[AccuracySection, ...]:
    """The sections of that task, their options overridden."""
    return tuple(
        replace(section, task=Spelling(task.name, {**section.task.options, **task.options}))
        for section in sections
        if section.task.name == task.name
    )


def _asked_for(task: Spelling, measures: tuple[str, ...]) -> tuple[AccuracySection, ...]:
    """Gradients at initialisation, where the grid has none on that task and somebody names the measure."""
    return (AccuracySection(task=task, measure="gradients", trainings=()),) if "gradients" in measures else ()


def _set(grid: Grid, text: str) -> Grid:
    """One `--set`: `task.adding.length=200`, `cell.lstm.forget_bias=1`, `model.hidden=128`, `shape.hidden=128`."""
    path, equals, value = text.partition("=")
    parts = path.strip().split(".")
    values = [parse_scalar(part) for part in split_list(value)]
    if not equals or not values:
        raise HarnessError(f"wanted --set PATH=VALUE, found {text!r}", hint="--set training.learning_rate=0.003")
    match parts:
        case ["task", task, option]:
            known = {section.task.name for section in (*grid.accuracy, *grid.gradients)}
            if task not in known:
                raise unknown("task of the grid", task, known)
            return set_task_option(grid, task, {option: _only(values, text)})
        case ["cell", cell, option]:
            return replace(grid, cell_options=(*grid.cell_options, (cell, option, _only(values, text))))
        case ["shape", option]:
            speed, memory = (_changed(shapes, option, values, "shape") for shapes in (grid.speed, grid.memory))
            return replace(grid, speed=speed, memory=memory)
        case ["model" | "training", _] if not grid.on_tasks:
            hint = f"of speed and memory, set shape.hidden, say: --set shape.hidden={value}"
            raise HarnessError(f"wanted a measure that has a model to set {path} in, found none", hint=hint)
        case ["model", option]:
            return change_sections(grid, lambda s: replace(s, models=_changed(s.models, option, values, "model")))
        case ["training", option]:
            return change_sections(
                grid, lambda s: replace(s, trainings=_changed(s.trainings, option, values, "training"))
            )
    raise HarnessError(
        "wanted task.NAME.OPTION, cell.NAME.OPTION, model.OPTION, training.OPTION or shape.OPTION before =, "
        f"found {path!r}"
    )


def _changed(settings: tuple[Any, ...], option: str, values: list[Any], kind: str) -> tuple[Any, ...]:
    """Every setting with the option at each value; what thereby becomes equal is kept once."""
    changed = [c for setting in settings for c in combinations(setting, {option: values}, kind)]
    return tuple(dict.fromkeys(changed))


def _only(values: list[Any], text: str) -> Any:
    if len(values) != 1:
        raise HarnessError(
            f"wanted one value, found {text!r}", hint="only model, training and shape options take lists"
        )
    return values[0]
