"""What a worker gives to the trials of one run: folders, the run's plugin files, a share of memory, a GPU each."""

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.isolation.limits import share_of_memory
from harness.isolation.request import Request
from harness.store import PLUGINS
from harness.trial import Trial

Files = Sequence[tuple[str, str]]
"""Names and texts, byte by byte as Latin-1."""


def write_files(folder: Path, files: Files) -> tuple[Path, ...]:
    """Writes a run's plugin files, each in a folder of its own: a basis counts their names."""
    written = []
    for number, (name, text) in enumerate(files):
        path = folder / PLUGINS / str(number) / Path(name).name
        path.parent.mkdir(parents=True)
        path.write_bytes(text.encode("latin-1"))
        written.append(path)
    return tuple(written)


class Room:
    """`slots` trials fit in at once; of memory each may hold its share of what was free when none was there."""

    def __init__(self, folder: Path, files: Files, slots: int, gpus: Iterable[str]) -> None:
        self._folder, self._files = folder, write_files(folder, files)
        self._slots, self._gpus = slots, list(gpus)
        self._taken, self._inside, self._share = 0, 0, 0

    def take(self, trial: Trial, question: Mapping[str, Any]) -> Request:
        """The request of a trial here, and what goes with it of the question that asks it."""
        if not self._inside:
            self._share = share_of_memory(self._slots)
        gpu = self._gpus.pop(0) if trial.device != "cpu" and self._gpus else ""
        self._taken, self._inside = self._taken + 1, self._inside + 1
        return Request(
            trial=trial,
            folder=self._folder / f"{trial.id}-{self._taken}",
            plugin_files=self._files,
            timeout=question["timeout"],
            memory=question["memory"] or self._share,
            spawn=question["spawn"],
            gpu=gpu,
        )

    def leave(self, request: Request) -> None:
        """Gives back what a trial had."""
        shutil.rmtree(request.folder, ignore_errors=True)
        self._gpus += [request.gpu] if request.gpu else []
        self._inside -= 1
