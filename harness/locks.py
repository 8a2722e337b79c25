"""A lock that the whole machine shares: two timings that overlap measure each other."""

import fcntl
import os
import tempfile
import time
from pathlib import Path

TIMING = "harness-timing.lock"
WAITING = "waiting for another timing on this machine"


class TimingTurn:
    """This process's turn to time something: taken at once where nobody else has it, else to be waited for.

    The lock is the kernel's (flock): it ends with its holder, however that ends, and passes on in the order of asking.
    Use it as a context manager; leaving it gives the turn away. `held`: whether it is ours.
    """

    def __init__(self) -> None:
        self._descriptor = _open(Path(tempfile.gettempdir()) / TIMING)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.held = True
        except BlockingIOError:
            self.held = False

    def __enter__(self) -> "TimingTurn":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def wait(self) -> float:
        """Blocks until the turn is ours. Returns the seconds it took."""
        began = time.monotonic()
        if not self.held:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            self.held = True
        return time.monotonic() - began


def _open(path: Path) -> int:
    """Read-only, which is all a lock needs: another user's file can be locked too."""
    try:
        # Without O_CREAT first: kernels refuse it for another user's file in a sticky folder (fs.protected_regular).
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        os.fchmod(descriptor, 0o644)  # whatever this user's umask: it is everybody's lock
        return descriptor
