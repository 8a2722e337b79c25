"""What an answer rests on: the sources and versions that made it. Another basis, another answer."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from harness.canonical import digest
from harness.machine import fingerprint
from harness.plugins import Catalog, Plugin
from harness.spelling import parse
from harness.task import Task
from harness.trial import Trial

CORE = (
    "bench", "cell.py", "conformance", "counting.py", "layer.py", "measures", "model.py", "ops.py", "precision.py",
    "seeds.py", "sizes.py", "statistics.py", "task.py", "training.py", "unroll.py",
)  # fmt: skip
"""The core's files that an answer can depend on."""


@dataclass(frozen=True, kw_only=True)
class Basis:
    """The parts of a basis by name, so that one can say which of them changed."""

    parts: Mapping[str, str]

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        return digest(dict(self.parts))


class Bases:
    """The bases of many trials under one catalog and one machine's facts: trials that share all parts share one."""

    def __init__(self, catalog: Catalog, facts: Mapping[str, Any]) -> None:
        self._catalog, self._facts = catalog, facts
        self._found: dict[tuple[Any, ...], Basis] = {}

    def of(self, trial: Trial) -> Basis:
        """As `basis_of`."""
        sides = (trial.cell.name, trial.backend, trial.versus, trial.versus_cell and trial.versus_cell.name)
        key = (*sides, trial.task, trial.measure, trial.device)
        if key not in self._found:
            self._found[key] = basis_of(trial, self._catalog, self._facts)
        return self._found[key]


def basis_of(trial: Trial, catalog: Catalog, facts: Mapping[str, Any]) -> Basis:
    """The basis of a trial: the core, the plugins of its cell, backends and task, the versions; where the machine
    matters (speed, memory, CUDA), its fingerprint.
    """
    parts = {
        "core": _core_digest(),
        "cell": _digest(catalog.cells[trial.cell.name].plugin),
        "backend": _digest(catalog.backends[parse(trial.backend).name].plugin),
        "torch": str(facts["torch"]),
        "numpy": str(facts["numpy"]),
    }
    if trial.task is not None:
        parts["task"] = _digest(catalog.tasks[trial.task.name].plugin)
        parts["data"] = data_digest(catalog.task(trial.task.spelling))
    if trial.versus is not None:
        parts["versus"] = _digest(catalog.backends[parse(trial.versus).name].plugin)
    if trial.versus_cell is not None:
        parts["versus_cell"] = _digest(catalog.cells[trial.versus_cell.name].plugin)
    if rests_on_machine(trial):
        parts["machine"] = fingerprint(facts)
    return Basis(parts=parts)


def rests_on_machine(trial: Trial) -> bool:
    """Whether another machine's answer is another answer."""
    return trial.measure in ("speed", "memory") or trial.device != "cpu"


def data_digest(task: Task) -> str:
    """The digest of the files a task reads."""
    return digest([_file_digest(path) for path in task.sources()])


@lru_cache(maxsize=256)
def _digest(plugin: Plugin) -> str:
    return plugin.digest()[:16]


@lru_cache(maxsize=256)
def _file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@lru_cache(maxsize=1)
def _core_digest() -> str:
    here = Path(__file__).parent
    return digest([Plugin(name=name, origin="core", path=here / name).digest() for name in CORE])
