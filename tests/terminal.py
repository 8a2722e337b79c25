"""A terminal of any width, as a program meets it: what it prints there, line by line."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
"""The environment of a terminal that knows ASCII only."""


def on_terminal(*arguments: str, columns: int, folder: Path, **environment: str) -> tuple[int, list[str]]:
    """The exit code and the lines of `harness …`; stdout and stderr are one terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    inherited = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES", "NO_COLOR")}
    started = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=folder,
        env={**inherited, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    printed = b""
    try:
        while part := os.read(ours, 65536):
            printed += part
    except OSError:  # how Linux says that nobody writes any more
        pass
    os.close(ours)
    return started.wait(), printed.decode().replace("\r\n", "\n").split("\n")
