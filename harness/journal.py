"""Append-only lines that survive: each carries its checksum, each is on the disk before it counts.

A line is canonical JSON with a member `checksum`: the digest of the line's text without that member.
"""

import errno
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import canonical
from harness.errors import HarnessError

CHECKSUM = "checksum"
_MEMBER = re.compile(rb',?"checksum":"([0-9a-f]{16})"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """What a journal holds: the intact lines as plain data, and the damaged ones as they lie there."""

    intact: list[dict[str, Any]]
    damaged: list[bytes]


def read(path: Path) -> Lines:
    """Reads a journal, whatever its state; nothing is changed. A missing file is an empty journal."""
    lines = Lines(intact=[], damaged=[])
    for line in scan(path):
        plain = parse(line)
        if plain is None:
            lines.damaged.append(line)
        else:
            lines.intact.append(plain)
    return lines


def scan(path: Path) -> Iterator[bytes]:
    """The lines of a journal as they lie there, without their newlines; one at a time is held in memory.

    Raises HarnessError where they cannot be read.
    """
    try:
        if not path.exists():
            return
        if not path.is_file():
            raise HarnessError(f"wanted a file, found something else at {path}")
        with path.open("rb") as file:
            for line in file:
                if stripped := line.rstrip(b"\n"):
                    yield stripped
    except OSError as error:
        raise HarnessError(f"cannot read {path}: {error.strerror or error}") from error


def parse(line: bytes) -> dict[str, Any] | None:
    """A line as plain data, without its checksum; None for a damaged one."""
    try:
        plain = canonical.loads(line)
        claimed = plain.pop(CHECKSUM)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return plain if _bears_out(line, str(claimed)) or claimed == _checksum(plain) else None


def repair(path: Path) -> int:
    """Sets the damaged lines of a journal aside, in a file `<name>.damaged` beside it, and returns how many there were.

    A torn last line, left by a crash in mid-write, is such a line; one that lacks only its newline is whole and gets
    it. What is intact stays as it lies there, to the byte. The caller holds the folder's lock.
    """
    damaged = [line for line in scan(path) if parse(line) is None]
    if not damaged and _ends_with_newline(path):
        return 0
    if damaged:
        _write(path.with_name(path.name + ".damaged"), os.O_APPEND, (line + b"\n" for line in damaged))
        sync_folder(path.parent)
    rewrite(path, (line for line in scan(path) if parse(line) is not None))
    return len(damaged)


def rewrite(path: Path, lines: Iterable[bytes]) -> None:
    """Puts other lines in a journal's place, at once or not at all; durable when this returns."""
    put(path, (line + b"\n" for line in lines))


def put(path: Path, parts: Iterable[bytes]) -> None:
    """Writes a file, whole or not at all; durable when this returns."""
    temporary = path.with_name(path.name + ".part")
    _write(temporary, os.O_TRUNC, parts)
    temporary.replace(path)
    sync_folder(path.parent)


class Journal:
    """A journal open for appending, by one writer. It was empty or repaired before."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._sound = True
        sync_folder(path.parent)

    def append(self, plain: Mapping[str, Any]) -> None:
        """Writes one line; it is on the disk when this returns. Raises OSError, the file as it was, where it cannot.

        After an fsync that failed, or a torn line that could not be taken back, nothing is appended any more: what
        the disk holds is known only to whoever opens the file anew.
        """
        if not self._sound:
            raise OSError("an earlier line could not be written, and what the disk holds is not known")
        line = line_of(plain)
        size = os.fstat(self._file).st_size
        self._sound = False
        try:
            _write_whole(self._file, line)
        except OSError:
            os.ftruncate(self._file, size)
            self._sound = True
            raise
        try:
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise
        self._sound = True

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


def line_of(plain: Mapping[str, Any]) -> bytes:
    """The line that says so, with its checksum and its newline."""
    body = {key: value for key, value in plain.items() if key != CHECKSUM}
    return canonical.dumps(body | {CHECKSUM: _checksum(body)}).encode() + b"\n"


def _write(path: Path, how: int, parts: Iterable[bytes]) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | how, 0o644)
    try:
        for part in parts:
            _write_whole(handle, part)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_whole(handle: int, part: bytes) -> None:
    """One write; less than the whole means that there is no room for more."""
    if os.write(handle, part) != len(part):
        raise OSError(errno.ENOSPC, "written only in part")


def _ends_with_newline(path: Path) -> bool:
    if not path.exists() or path.stat().st_size == 0:
        return True
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _bears_out(line: bytes, claimed: str) -> bool:
    """Whether the text itself, its checksum cut out, has that checksum: much cheaper than to write the text anew."""
    found = _MEMBER.search(line)
    if found is None or found[1].decode() != claimed:
        return False
    return hashlib.sha256(line[: found.start()] + line[found.end() :]).hexdigest()[:16] == claimed


def _checksum(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical.dumps(body).encode()).hexdigest()[:16]
