"""Ctrl-C once: finish what runs. Twice: stop."""

import os
import signal
from types import FrameType
from typing import Any


class Stopping:
    """Counts interrupts while it is entered, and wakes whoever selects on it."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._count = 0
        self._before: Any = None

    @property
    def draining(self) -> bool:
        """Nothing new may begin."""
        return self._count >= 1

    @property
    def aborting(self) -> bool:
        """What runs is to be killed."""
        return self._count >= 2

    def __enter__(self) -> "Stopping":
        self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """For `select`: readable after an interrupt."""
        return self._read

    def acknowledge(self) -> None:
        """Empties the wake-up pipe."""
        os.read(self._read, 64)

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        os.write(self._write, b"!")
