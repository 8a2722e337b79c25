"""What a child process is asked, as a file, and what it leaves behind, as another."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import canonical
from harness.errors import HarnessError
from harness.record import Answer, Measured, Status
from harness.trial import Trial

REQUEST, RESULT, ARRAYS = "request.json", "result.json", "arrays.npz"
PRIVATE = "private"
"""The folder in which a trial stands and puts what it needs for a while."""
LONGEST = 2**24
"""Bytes of a result at most: values and reasons take a few thousand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A trial, the private folder it runs in, the plugin files it may need, its deadline in seconds.

    `memory`: the bytes its processes may hold together, 0 for no limit.
    `spawn`: start a fresh interpreter instead of forking (CUDA does not survive a fork). `gpu`: the device that such
    a one sees, "" for all that its parent sees.
    """

    trial: Trial
    folder: Path
    plugin_files: tuple[Path, ...] = ()
    timeout: float
    memory: int = 0
    spawn: bool = False
    gpu: str = ""

    @property
    def timed(self) -> bool:
        """Whether nothing else on this machine may be timed meanwhile."""
        return self.trial.measure == "speed"

    @property
    def watched(self) -> bool:
        """Whether somebody looks at what it holds in memory: nobody does while it is timed."""
        return self.memory > 0 and not self.timed

    def write(self) -> Path:
        """Writes the request into its folder and returns the file. Raises HarnessError where it cannot."""
        plain = {
            "trial": self.trial.to_plain(),
            "plugin_files": [str(file) for file in self.plugin_files],
            "timeout": self.timeout,
            "memory": self.memory,
            "spawn": self.spawn,
            "gpu": self.gpu,
        }
        path = self.folder / REQUEST
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(canonical.dumps(plain), "utf-8")
        except OSError as error:
            told = f"cannot write a trial's question to {self.folder.parent}: {error.strerror or error}"
            raise HarnessError(told, hint="the variable TMPDIR names another place for temporary files") from error
        return path

    @classmethod
    def read(cls, path: Path) -> "Request":
        """Reads what `write` wrote."""
        plain = canonical.loads(path.read_text("utf-8"))
        return cls(
            trial=Trial.from_plain(plain["trial"]),
            folder=path.parent,
            plugin_files=tuple(map(Path, plain["plugin_files"])),
            timeout=plain["timeout"],
            memory=plain["memory"],
            spawn=plain["spawn"],
            gpu=plain["gpu"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a child wrote: status, reason, values, the answer's digest; arrays lie beside it in `arrays.npz`.

    `timed_arrays`: the names of those a clock made.
    """

    status: Status
    reason: str = ""
    values: Mapping[str, Measured]
    answer: str = ""
    arrays_sha256: str = ""
    timed_arrays: tuple[str, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "status": str(self.status),
            "reason": self.reason,
            "values": {name: [m.value, m.unit, m.timed] for name, m in self.values.items()},
            "answer": self.answer,
            "arrays_sha256": self.arrays_sha256,
            "timed_arrays": list(self.timed_arrays),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Result":
        """Reads `to_plain` back. Raises KeyError, TypeError, ValueError, AttributeError or HarnessError for others."""
        if {*map(type, (plain["reason"], plain["answer"], plain["arrays_sha256"]))} != {str}:
            raise TypeError("reason, answer and checksum are no texts")
        return cls(
            status=Status(plain["status"]),
            reason=plain["reason"],
            values={name: Measured(*value) for name, value in plain["values"].items()},
            answer=plain["answer"],
            arrays_sha256=plain["arrays_sha256"],
            timed_arrays=tuple(plain["timed_arrays"]),
        )

    def number(self, name: str) -> float:
        """The value of that name as a number; NaN where there is none."""
        measured = self.values.get(name)
        return float(measured.value) if measured and isinstance(measured.value, int | float) else float("nan")


def write_result(folder: Path, answer: Answer) -> None:
    """Writes arrays and values, each whole or not at all; the values carry both checksums."""
    import numpy as np

    arrays_sha256 = ""
    if answer.arrays:
        np.savez_compressed(folder / ARRAYS, **dict(answer.arrays))  # type: ignore[arg-type]
        arrays_sha256 = hashlib.sha256((folder / ARRAYS).read_bytes()).hexdigest()
    result = Result(
        status=answer.status,
        reason=answer.reason,
        values=answer.values,
        answer=answer.digest(),
        arrays_sha256=arrays_sha256,
        timed_arrays=tuple(sorted(answer.timed_arrays)),
    )
    data = canonical.dumps(result.to_plain())
    temporary = folder / (RESULT + ".part")
    temporary.write_text(json.dumps({"sha256": _checksum(data), "data": data}), "utf-8")
    temporary.replace(folder / RESULT)


def read_result(folder: Path) -> Result | None:
    """What the child left, or None where it left nothing. Raises ValueError for anything but an intact result.

    A pipe, a device or terabytes of nothing may lie in its place: what is read is a file of a result's size.
    """
    path = folder / RESULT
    try:
        if not path.exists() and not path.is_symlink():
            return None
        if not path.is_file() or path.stat().st_size > LONGEST:
            raise ValueError("the result is not of its form: no file of a result's size")
        envelope: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if envelope["sha256"] != _checksum(envelope["data"]):
            raise ValueError("the result's checksum is wrong")
        return Result.from_plain(canonical.loads(envelope["data"]))
    except (OSError, KeyError, TypeError, AttributeError, RecursionError, HarnessError) as error:
        raise ValueError(f"the result is not of its form: {type(error).__name__} {error}") from error


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
