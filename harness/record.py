"""A record is a trial's answer: a result, or the reason why there is none."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.canonical import digest
from harness.errors import HarnessError
from harness.trial import Trial

SCHEMA = 1
UPGRADES: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""By schema, what turns a line of that version into one of the next. On the disk a line stays as it was written."""

Value = float | int | str | bool | None
LARGEST = 2**63
"""Whole numbers stay below: other programs have no larger ones."""


class Status(StrEnum):
    """How a trial ended."""

    OK = "ok"
    DIVERGED = "diverged"
    REJECTED = "rejected"
    TIMEOUT = "timeout"
    OOM = "oom"
    SIGNAL = "signal"
    EXIT = "exit"
    NO_RESULT = "no_result"
    BAD_RESULT = "bad_result"
    ERROR = "error"
    SKIPPED = "skipped"

    @property
    def answers(self) -> bool:
        """Whether the question is answered; if not, the next run asks again."""
        return self in {Status.OK, Status.DIVERGED, Status.REJECTED, Status.ERROR, Status.BAD_RESULT}

    @property
    def is_fine(self) -> bool:
        """Whether a run with only such rows exits with 0."""
        return self in {Status.OK, Status.DIVERGED, Status.SKIPPED}


@dataclass(frozen=True, slots=True)
class Measured:
    """One measured value, its unit ("" for a ratio or a count) and whether a clock made it.

    What a clock made is left out of the answer's digest: it differs from run to run. Raises HarnessError for a value
    that no reader of records knows.
    """

    value: Value
    unit: str = ""
    timed: bool = False

    def __post_init__(self) -> None:
        value = self.value
        fits = abs(value) < LARGEST if isinstance(value, int) else value is None or isinstance(value, str | float)
        if not fits or not isinstance(self.unit, str):
            found = "a larger one" if isinstance(value, int) else type(value).__name__
            raise HarnessError(f"wanted a number of 64 bits or a text as a value, found {found}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer:
    """What a measure gives back.

    `values` by name; `arrays`: curves and raw samples by name; `timed_arrays`: the names of those a clock made.
    """

    values: Mapping[str, Measured]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    timed_arrays: frozenset[str] = frozenset()
    status: Status = Status.OK
    reason: str = ""

    def digest(self) -> str:
        """The digest of everything no clock made: what resuming and replaying compare."""
        values = {name: [m.value, m.unit] for name, m in self.values.items() if not m.timed}
        arrays = {name: _array_digest(a) for name, a in self.arrays.items() if name not in self.timed_arrays}
        return digest([self.status, values, arrays])


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One line of `records.jsonl`.

    `basis`: digest of the sources and versions that made the answer. `answer`: digest of what no clock made.
    `arrays`: name and sha256 of the file with curves and samples, if there is one. `output`: the end of what
    the trial printed. `seconds`: wall time of the trial's process; `waited`: seconds before it, while something else
    on this machine was timed; `machine`: the fingerprint of the one it ran on.
    """

    trial: Trial
    status: Status
    basis: str
    reason: str = ""
    values: Mapping[str, Measured] = field(default_factory=dict)
    arrays: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""
    output: str = ""
    seconds: float = 0.0
    waited: float = 0.0
    attempts: int = 1
    machine: str = ""

    @property
    def id(self) -> str:
        """The trial's id."""
        return self.trial.id

    def number(self, name: str) -> float:
        """The value of that name as a number; NaN where there is none."""
        measured = self.values.get(name)
        value = measured.value if measured else None
        return float(value) if isinstance(value, int | float) else float("nan")

    def to_plain(self) -> dict[str, Any]:
        """Plain data, as a line holds it."""
        return {
            "schema": SCHEMA,
            "id": self.id,
            "trial": self.trial.to_plain(),
            "status": str(self.status),
            "reason": self.reason,
            "values": {
                name: {"value": m.value, "unit": m.unit} | ({"timed": True} if m.timed else {})
                for name, m in self.values.items()
            },
            "arrays": dict(self.arrays),
            "answer": self.answer,
            "basis": self.basis,
            "output": self.output,
            "seconds": self.seconds,
            "waited": self.waited,
            "attempts": self.attempts,
            "machine": self.machine,
        }

    @classmethod
    def from_plain(cls, plain: dict[str, Any], trial: Trial | None = None) -> "Record":
        """Reads `to_plain` back, an older version's too; `trial`: the question, where it is known already.

        Raises KeyError, TypeError, ValueError, AttributeError or HarnessError for anything else.
        """
        plain = current(plain)
        texts = [plain["basis"], plain["reason"], plain["answer"], plain["output"], plain.get("machine", "")]
        numbers = [plain["seconds"], plain.get("waited", 0.0), plain["attempts"]]
        if {*map(type, (*texts, *plain["arrays"].values()))} != {str} or not {*map(type, numbers)} <= {int, float}:
            raise TypeError("a record's texts and numbers are not what they should be")
        record = cls(
            trial=trial or Trial.from_plain(plain["trial"]),
            status=Status(plain["status"]),
            basis=plain["basis"],
            reason=plain["reason"],
            values={name: Measured(**value) for name, value in plain["values"].items()},
            arrays=dict(plain["arrays"]),
            answer=plain["answer"],
            output=plain["output"],
            seconds=plain["seconds"],
            waited=plain.get("waited", 0.0),
            attempts=plain["attempts"],
            machine=plain.get("machine", ""),
        )
        if record.id != plain["id"]:
            raise ValueError(f"the question's hash is {record.id}, the line says {plain['id']}")
        return record


def current(plain: dict[str, Any]) -> dict[str, Any]:
    """A line of this or an older version as this version would have written it. Raises ValueError for a newer one's."""
    while plain["schema"] != SCHEMA:
        if plain["schema"] not in UPGRADES:
            raise ValueError(f"schema {plain['schema']}, this version reads {SCHEMA} and older")
        plain = UPGRADES[plain["schema"]](plain)
    return plain


def _array_digest(array: NDArray[Any]) -> str:
    array = np.ascontiguousarray(array)
    return hashlib.sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).hexdigest()[:16]
