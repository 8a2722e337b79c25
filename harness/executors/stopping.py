"""Ctrl-C once: finish what runs. Twice: stop. A request to end: stop at once."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

TERMINATED = 128 + signal.SIGTERM
"""The exit code of a process that was asked to end."""


class Stopping:
    """Counts interrupts while it is entered, and wakes whoever selects on it.

    SIGTERM leaves by SystemExit, so that every process and folder that was entered is left in order.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._count, self._raises = 0, False
        self._before: dict[signal.Signals, Any] = {}

    @property
    def draining(self) -> bool:
        """Nothing new may begin."""
        return self._count >= 1

    @property
    def aborting(self) -> bool:
        """What runs is to be killed."""
        return self._count >= 2

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Meanwhile there is nothing to finish: the first interrupt, also an earlier one, is a KeyboardInterrupt.

        Later ones change nothing: what was begun is being ended.
        """
        before, self._raises = self._raises, True
        try:
            if self.draining:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = before

    def __enter__(self) -> "Stopping":
        for number, handler in ((signal.SIGINT, self._interrupted), (signal.SIGTERM, self._terminated)):
            self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
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
        if self._raises and self._count == 1:
            raise KeyboardInterrupt

    def _terminated(self, _number: int, _frame: FrameType | None) -> None:
        for number in self._before:  # nothing disturbs the leaving
            signal.signal(number, signal.SIG_IGN)
        raise SystemExit(TERMINATED)
