"""A trial is a question: a frozen value whose id is the hash of its content."""

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, Literal

from harness.backend import Dtype
from harness.canonical import digest
from harness.options import changed_options, options_of
from harness.settings import LayerShape, ModelSettings, TimingSettings, TrainingSettings
from harness.spelling import Scalar, Spelling

Measure = Literal["conformance", "accuracy", "gradients", "speed", "memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A cell or a task as a trial holds it: its name, its own version and every option written out."""

    name: str
    version: int
    options: tuple[tuple[str, Scalar], ...] = ()
    changed: tuple[tuple[str, Scalar], ...] = ()

    @classmethod
    def of(cls, value: Any) -> "Subject":
        """The subject of a catalog's cell or task."""
        return cls(
            name=value.about.name,
            version=value.about.version,
            options=tuple(sorted(options_of(value).items())),
            changed=tuple(sorted(changed_options(value).items())),
        )

    @property
    def spelling(self) -> Spelling:
        """The shortest spelling: only the options that differ from their defaults."""
        return Spelling(self.name, dict(self.changed))

    def __str__(self) -> str:
        return str(self.spelling)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question. A measure fixes which of the optional fields are there; absent ones are None and not in the id.

    Always: `measure`, `cell`, `backend`, `device`, `dtype`, `threads`. Accuracy: `task`, `model`, `training`,
    `seed`. Gradients: the same, or no `training`, which means at initialisation. Speed and memory: `shape`; speed also
    `versus`, the backend it is compared with, `versus_cell` where that is another cell, and `timing` where it is not a
    grid's.
    """

    measure: Measure
    cell: Subject
    backend: str
    device: str = "cpu"
    dtype: Dtype = "float32"
    threads: int = 1
    task: Subject | None = None
    model: ModelSettings | None = None
    training: TrainingSettings | None = None
    seed: int | None = None
    shape: LayerShape | None = None
    versus: str | None = None
    versus_cell: Subject | None = None
    timing: TimingSettings | None = None

    @cached_property
    def id(self) -> str:
        """16 hexadecimal digits: the hash of the whole question, every option written out. Computed once."""
        return digest(self.to_plain())

    @property
    def pair(self) -> str:
        """The cell on its backend, as a person writes it: `lstm@torch`."""
        return f"{self.cell}@{self.backend}"

    @property
    def versus_pair(self) -> str:
        """The other side of a speed trial, as a person writes it; empty where there is none."""
        return f"{self.versus_cell or self.cell}@{self.versus}" if self.versus else ""

    @property
    def hidden(self) -> int | None:
        """H, where the measure has one: the model's or the shape's."""
        sized = self.model or self.shape
        return sized.hidden if sized else None

    def to_plain(self) -> dict[str, Any]:
        """Plain data, without the absent fields."""
        plain: dict[str, Any] = {}
        for name in _NAMES[Trial]:
            value = getattr(self, name)
            if isinstance(value, Subject):
                plain[name] = {
                    "name": value.name,
                    "version": value.version,
                    "options": dict(value.options),
                    "spelling": str(value),
                }
            elif isinstance(value, _SETTINGS):
                plain[name] = {field: getattr(value, field) for field in _NAMES[type(value)]}
            elif value is not None:
                plain[name] = value
        return plain

    @classmethod
    def from_plain(cls, plain: dict[str, Any]) -> "Trial":
        """Reads `to_plain` back. Raises KeyError, TypeError, AttributeError or HarnessError for anything else."""
        from harness.spelling import parse

        values = dict(plain)
        for name in ("cell", "task", "versus_cell"):
            if name in values:
                found = values[name]
                values[name] = Subject(
                    name=found["name"],
                    version=found["version"],
                    options=tuple(sorted(found["options"].items())),
                    changed=tuple(sorted(parse(found["spelling"]).options.items())),
                )
        kinds = {"model": ModelSettings, "training": TrainingSettings, "shape": LayerShape, "timing": TimingSettings}
        for name, kind in kinds.items():
            if name in values:
                values[name] = kind(**values[name])
        trial = cls(**values)
        names = [subject.name for subject in (trial.cell, trial.task, trial.versus_cell) if subject is not None]
        if {*map(type, (*names, trial.measure, trial.backend, trial.device, trial.dtype))} != {str}:
            raise TypeError("a trial's names are no texts")
        hash(trial)  # a TypeError where it holds a list
        return trial

    def __str__(self) -> str:
        parts = [self.measure, self.pair]
        parts += [str(part) for part in (self.task, self.shape) if part is not None]
        if self.training is not None:
            parts.append(f"lr {self.training.learning_rate:g}")
        elif self.measure == "gradients":
            parts.append("at initialisation")
        if self.seed is not None:
            parts.append(f"seed {self.seed}")
        return " · ".join(parts)


_SETTINGS = (ModelSettings, TrainingSettings, LayerShape, TimingSettings)
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (Trial, *_SETTINGS)}
"""Each dataclass's fields: to ask `fields` anew for every trial would take longer than all else."""
