"""Where a trial's output goes: through a pipe, of which only the end is kept."""

import os

from harness.errors import visible

KEPT, TOLD = 16 * 1024, 3000
"""Bytes of the end that are kept, however much is printed; and the characters of them that are told."""
_CHUNK, _MOST_CHUNKS = 64 * 1024, 32


class Tail:
    """The reading end of a trial's output. It never blocks its writer for long, nor its reader ever.

    Nothing waits for its end: a grandchild that keeps the pipe open keeps nobody.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor, self._kept = descriptor, b""

    def fileno(self) -> int:
        """For `select`: readable when something was printed."""
        return self._descriptor

    def read(self) -> bool:
        """Takes what was printed since. Returns whether there may be more."""
        try:
            chunk = os.read(self._descriptor, _CHUNK)
        except BlockingIOError:
            return False
        self._kept = (self._kept + chunk)[-KEPT:]
        return bool(chunk)

    def close(self) -> str:
        """Takes what is still in the pipe and gives the end of it all as text; a record's line stays below 8 KB."""
        for _ in range(_MOST_CHUNKS):
            if not self.read():
                break
        os.close(self._descriptor)
        text = self._kept.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
        return visible(text)[-TOLD:]


def redirect_output(descriptor: int) -> None:
    """Sends standard output and error to a descriptor, which it closes, and gives nothing as standard input."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    os.close(nothing)
