"""From any thread to the one that selects: a queue that can be waited for beside pipes and sockets."""

import socket
from collections import deque
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """What is put comes out in order. After `close` it is still taken in, and wakes nobody."""

    def __init__(self) -> None:
        self._inside: deque[T] = deque()
        self._hears, self._rings = socket.socketpair()
        self._hears.setblocking(False)
        self._rings.setblocking(False)

    def __len__(self) -> int:
        return len(self._inside)

    def fileno(self) -> int:
        """For `select`: readable when something has been put in."""
        return self._hears.fileno()

    def put(self, item: T) -> None:
        """Puts something in, and wakes whoever waits."""
        self._inside.append(item)
        with suppress(OSError):  # it rings already, or nobody is there
            self._rings.send(b"!")

    def take(self) -> list[T]:
        """Everything that is inside now."""
        with suppress(OSError):
            self._hears.recv(65536)
        return [self._inside.popleft() for _ in range(len(self._inside))]

    def close(self) -> None:
        """Wakes nobody any more."""
        self._hears.close()
        self._rings.close()
