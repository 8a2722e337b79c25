"""Arrays that are slow to make, kept in the user's cache folder. Losing any of it costs time and nothing else."""

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

_SEAL = hashlib.sha256().digest_size


def folder() -> Path:
    """Where caches live: `$HARNESS_CACHE`, else `cell-harness` in `$XDG_CACHE_HOME` or ~/.cache. It may not exist."""
    if own := os.environ.get("HARNESS_CACHE"):
        return Path(own).expanduser()
    shared = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification has relative and empty paths ignored.
    return (shared if shared.is_absolute() else Path.home() / ".cache") / "cell-harness"


def arrays(name: str, key: str, build: Callable[[], Mapping[str, NDArray[Any]]]) -> Arrays:
    """The arrays of content `key`: read if they are there and whole, else built and kept for the next time.

    `name` is for people who look into the folder; `key` (hexadecimal) must change whenever the content would. A
    damaged file is built anew; where nothing can be written, nothing is kept. Any number may call this at once.
    """
    path = folder() / f"{name}-{key[:32]}.npz"
    found = _read(path)
    if found is None:
        found = dict(build())
        with contextlib.suppress(OSError):
            _write(path, found)
    return found


def _read(path: Path) -> Arrays | None:
    """None where there is no whole file. The seal is checked first, so that no damaged byte is ever parsed."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload, seal = content[:-_SEAL], content[-_SEAL:]
    if hashlib.sha256(payload).digest() != seal:
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _write(path: Path, content: Arrays) -> None:
    """An .npz and the sha256 of its bytes, written aside and moved in place: readers see all of it or none."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **content)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=path.stem, suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(buffer.getvalue())
            file.write(hashlib.sha256(buffer.getvalue()).digest())
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
