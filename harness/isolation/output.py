"""Where a trial's output goes: into a file of its own."""

import os
from pathlib import Path


def redirect_output(path: Path) -> None:
    """Sends standard output and error to a file and closes standard input."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    output, nothing = os.open(path, flags, 0o600), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.close(nothing)
