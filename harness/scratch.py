"""A folder for what is needed only while a command runs. One that a killed command left is swept by the next."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX, OWNER = "harness-", "owner"


@contextmanager
def scratch() -> Iterator[Path]:
    """A private folder, gone afterwards.

    Its owner holds a lock on a file inside. The kernel lets go of it when the owner ends, however that ends, which no
    process id tells as surely: ids are used again, and another container's mean nothing here.
    """
    _sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        descriptor = _own(folder)
        try:
            yield folder
        finally:
            os.close(descriptor)


def _own(folder: Path) -> int:
    """The file gets its name when it is locked: without it nobody touches the folder."""
    unnamed = folder / f".{OWNER}"
    descriptor = os.open(unnamed, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    unnamed.rename(folder / OWNER)
    return descriptor


def _sweep(where: Path) -> None:
    """Removes this user's folders there whose owner is gone."""
    for folder in where.glob(f"{PREFIX}*"):
        with suppress(OSError):  # a living owner's lock, somebody else's folder, one that another sweep removed
            if folder.lstat().st_uid != os.getuid():
                continue
            descriptor = os.open(folder / OWNER, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
