"""Finds plugins, loads them one by one, remembers what failed and why."""

import hashlib
import importlib
import importlib.util
import sys
import traceback
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import pluggy

from harness import hookspecs
from harness.about import About
from harness.backend import Backend
from harness.cell import Cell
from harness.errors import HarnessError, in_a_line, unknown
from harness.options import configure, options_of
from harness.spelling import Scalar, Spelling, parse
from harness.task import Task

GROUP = "harness"
ALONE = "a plugin file is kept and run alone: put what it needs into it, or install the rest (pip install -e …)"
KINDS = {"cell": "harness_cells", "backend": "harness_backends", "task": "harness_tasks"}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """Where a plugin comes from: its entry point or file, its distribution, its sources on disk."""

    name: str
    origin: str
    path: Path

    def digest(self) -> str:
        """sha256 of the plugin's source files: part of the basis of every record it took part in."""
        files = sorted(self.path.rglob("*")) if self.path.is_dir() else [self.path]
        total = hashlib.sha256()
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                total.update(str(file.relative_to(self.path.parent)).encode() + b"\0" + file.read_bytes())
        return total.hexdigest()


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """Something a plugin offers, and the plugin."""

    value: T
    plugin: Plugin


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something that could not be loaded: a plugin, or a single name, with the reason and (for authors) the trace."""

    name: str
    reason: str
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Everything the plugins offer, by name; a value that is passed on, never a global.

    In order: plugins by name, within each as it lists them.
    """

    cells: dict[str, Entry[Cell]]
    backends: dict[str, Entry[Backend]]
    tasks: dict[str, Entry[Task]]
    plugins: tuple[Plugin, ...] = ()
    missing: tuple[Missing, ...] = ()

    def cell(self, spelling: Spelling) -> Cell:
        """The cell of that name with the spelling's options. Raises HarnessError for what there is not."""
        return configure(self._find("cell", spelling.name), spelling.options, kind=spelling.name)

    def task(self, spelling: Spelling) -> Task:
        """The task of that name with the spelling's options. Raises HarnessError for what there is not."""
        return configure(self._find("task", spelling.name), spelling.options, kind=spelling.name)

    def backend(self, name: str) -> Backend:
        """The backend of that name, `fused` or `fused[recompute=16]`. Raises HarnessError for what there is not."""
        spelling = parse(name)
        found: Backend = configure(self._find("backend", spelling.name), spelling.options, kind=spelling.name)
        return found

    def offered(self, kind: str) -> dict[str, Entry[Any]]:
        """What there is of a kind (`KINDS`), by name."""
        found: dict[str, Entry[Any]] = getattr(self, f"{kind}s")
        return found

    def _find(self, kind: str, name: str) -> Any:
        entries = self.offered(kind)
        if name in entries:
            return entries[name].value
        for missing in self.missing:
            if missing.name == name:
                raise HarnessError(f"{kind} {name!r} is not available: {missing.reason}")
        error = unknown(kind, name, entries)
        lost = (f"{missing.name} could not be loaded: {missing.reason}" for missing in self.missing)
        raise HarnessError(error.message, hint=error.hint or "; ".join(lost))


def load(files: Sequence[Path] = ()) -> Catalog:
    """Loads every installed plugin and the given single-file ones.

    A plugin that cannot be imported, raises in a hook or misspells one becomes an entry of `missing`; a name that two
    plugins offer is withdrawn and becomes one too, naming both. The rest works. Raises HarnessError for a file
    that is not there.
    """
    candidates, missing = _installed()
    for file in files:
        if not file.is_file():
            raise HarnessError(f"wanted a plugin file, found nothing at {file}")
        candidates.append((str(file), f"file {file}", file))
    plugins: list[Plugin] = []
    offers: dict[str, dict[str, list[Entry[Any]]]] = {kind: defaultdict(list) for kind in KINDS}
    for name, origin, source in candidates:
        try:
            module = _import_file(source) if isinstance(source, Path) else importlib.import_module(source.value)
            plugin = Plugin(name=name, origin=origin, path=_source_path(module))
            found = _call_hooks(module, name)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 -- one of the two places: loading a plugin
            missing.append(Missing(name=name, reason=_reason(error, source), trace=traceback.format_exc()))
            continue
        plugins.append(plugin)
        for kind, values in found.items():
            for value in values:
                offers[kind][value.about.name].append(Entry(value, plugin))
    kept = {kind: _without_clashes(kind, offers[kind], missing) for kind in KINDS}
    return Catalog(
        cells=kept["cell"],
        backends=kept["backend"],
        tasks=kept["task"],
        plugins=tuple(plugins),
        missing=tuple(missing),
    )


def _installed() -> tuple[list[tuple[str, str, EntryPoint | Path]], list[Missing]]:
    """Entry points by name, and those that two distributions claim."""
    by_name: dict[str, set[EntryPoint]] = defaultdict(set)
    for point in entry_points(group=GROUP):
        by_name[point.name].add(point)
    candidates: list[tuple[str, str, EntryPoint | Path]] = []
    missing = []
    for name, points in sorted(by_name.items()):
        origins = sorted({_origin(point) for point in points})
        if len({point.value for point in points}) > 1:
            missing.append(Missing(name=name, reason=f"two distributions claim this name: {' and '.join(origins)}"))
        else:
            candidates.append((name, origins[0], points.pop()))
    return candidates, missing


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"


def _import_file(path: Path) -> ModuleType:
    """Imports a single file under a name of its own, so that no two files collide."""
    name = f"harness_file_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise HarnessError(f"wanted a Python file, found {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being executed
    spec.loader.exec_module(module)
    return module


def _source_path(module: ModuleType) -> Path:
    file = Path(module.__file__ or "")
    return file.parent if file.name == "__init__.py" else file


def _call_hooks(module: ModuleType, name: str) -> dict[str, list[Any]]:
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    manager.register(module, name)
    manager.check_pending()
    found: dict[str, list[Any]] = {}
    for kind, hook in KINDS.items():
        results: Iterable[Iterable[Any]] = getattr(manager.hook, hook)()
        found[kind] = [_fitting(kind, hook, value) for result in results for value in result]
    return found


def _fitting(kind: str, hook: str, value: Any) -> Any:
    """The value, if it can be one of that kind."""
    wanted = {"cell": Cell, "task": Task}
    fits = isinstance(value, wanted[kind]) if kind in wanted else callable(getattr(value, "build", None))
    if not fits or not isinstance(getattr(value, "about", None), About):
        raise HarnessError(f"wanted {hook} to give {kind}s with an `about`, found {value!r}")
    for option, default in options_of(value).items() if kind in wanted else ():
        if not isinstance(default, Scalar):
            raise HarnessError(f"wanted a plain value for {value.about.name}.{option}, found {default!r}")
    return value


def _without_clashes(kind: str, offers: dict[str, list[Entry[Any]]], missing: list[Missing]) -> dict[str, Entry[Any]]:
    kept = {}
    for name, entries in offers.items():
        if len(entries) == 1:
            kept[name] = entries[0]
        else:
            origins = " and ".join(f"{entry.plugin.name} ({entry.plugin.origin})" for entry in entries)
            missing.append(Missing(name=name, reason=f"two plugins offer a {kind} of this name: {origins}"))
    return kept


def _reason(error: BaseException, source: EntryPoint | Path) -> str:
    told = str(error) if isinstance(error, HarnessError) else in_a_line(error)
    if isinstance(source, Path) and isinstance(error, ModuleNotFoundError) and error.name:
        beside = source.resolve().parent / error.name.partition(".")[0]
        if beside.is_dir() or beside.with_suffix(".py").is_file():
            return f"{told}; it lies beside the file, but {ALONE}"
    return told
