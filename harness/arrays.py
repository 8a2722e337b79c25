"""Curves and samples of records: one file of plain arrays each, among its run's, and what was written or nothing."""

import hashlib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

from harness.record import Record

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARRAYS = "arrays"


def read_arrays(record: Record, folder: Path) -> "dict[str, NDArray[Any]]":
    """The curves and samples of a record of the run at `folder`; empty where there are none, or they are damaged."""
    if not record.arrays:
        return {}
    name, sha256 = record.arrays["file"], record.arrays["sha256"]
    if not is_array(name) or not is_sound(folder / name, sha256):
        return {}
    try:
        return load_arrays(folder / name)
    except (ValueError, OSError, EOFError, BadZipFile):  # written so, and yet no file of plain arrays
        return {}


def load_arrays(path: Path) -> "dict[str, NDArray[Any]]":
    """Every array of a file."""
    import numpy as np

    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def is_array(name: str) -> bool:
    """Whether a record may name such a file: one among its own run's arrays, nowhere else on the disk."""
    folder, _, file = name.partition("/")
    return folder == ARRAYS and bool(file) and "/" not in file and file != ".."


def is_sound(path: Path, sha256: str) -> bool:
    """Whether a file is there, can be read, and is what was written."""
    with suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:  # piece by piece: what lies there may be terabytes of nothing
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    return False
