"""Append-only lines that survive: each carries its checksum, each is on the disk before it counts."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import canonical

CHECKSUM = "checksum"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What a journal holds: the intact lines as plain data, and the damaged ones as they lie there."""

    intact: list[dict[str, Any]]
    damaged: list[bytes]


def read(path: Path) -> Lines:
    """Reads a journal, whatever its state; nothing is changed. A missing file is an empty journal."""
    intact, damaged = [], []
    for line in path.read_bytes().split(b"\n") if path.exists() else ():
        if not line:
            continue
        plain = _parse(line)
        if plain is None:
            damaged.append(line)
        else:
            intact.append(plain)
    return Lines(intact=intact, damaged=damaged)


def repair(path: Path) -> int:
    """Sets the damaged lines of a journal aside, in a file `<name>.damaged` beside it, and returns how many there were.

    A torn last line, left by a crash in mid-write, is such a line; one that lacks only its newline is whole and gets
    it. The caller holds the folder's lock.
    """
    lines = read(path)
    if not lines.damaged and _ends_with_newline(path):
        return 0
    with path.with_name(path.name + ".damaged").open("ab") as aside:
        aside.writelines(line + b"\n" for line in lines.damaged)
        _sync(aside.fileno())
    temporary = path.with_name(path.name + ".part")
    with temporary.open("wb") as file:
        file.writelines(_line(plain) for plain in lines.intact)
        _sync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)
    return len(lines.damaged)


class Journal:
    """A journal open for appending, by one writer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        sync_folder(path.parent)

    def append(self, plain: Mapping[str, Any]) -> None:
        """Writes one line; it is on the disk when this returns. Raises OSError, the file as it was, where it cannot."""
        line = _line(plain)
        size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, line) != len(line):
                raise OSError("the line was written only in part")
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def sync_folder(folder: Path) -> None:
    """Makes a folder's list of names durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _ends_with_newline(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _line(plain: Mapping[str, Any]) -> bytes:
    body = {key: value for key, value in plain.items() if key != CHECKSUM}
    return canonical.dumps(body | {CHECKSUM: _checksum(body)}).encode() + b"\n"


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        plain = canonical.loads(line)
        claimed = plain.pop(CHECKSUM)
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    return plain if claimed == _checksum(plain) else None


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical.dumps(body).encode()).hexdigest()[:16]


def _sync(handle: int) -> None:
    os.fsync(handle)
