"""A lock that the whole machine shares: two timings that overlap measure each other."""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TIMING = "harness-timing.lock"


@contextmanager
def exclusive_timing() -> Iterator[None]:
    """Waits until no other process of this machine is timing, and keeps the others waiting meanwhile.

    The lock is the kernel's (flock): it ends with its holder, however that ends. Processes forked meanwhile
    hold it too, so they must end first.
    """
    descriptor = _open(Path(tempfile.gettempdir()) / TIMING)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _open(path: Path) -> int:
    """Read-only, which is all a lock needs: another user's file can be locked too."""
    try:
        # Without O_CREAT first: kernels refuse it for another user's file in a sticky folder (fs.protected_regular).
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
