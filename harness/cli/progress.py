"""What is running and how long it will take, on standard error."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.text import Text

from harness.events import Again, Event, Grown, Opened, Parked, Recorded
from harness.executors.executor import Told
from harness.executors.local import Started, Waiting
from harness.executors.stopping import Stopping
from harness.locks import WAITING
from harness.record import Record, Status

QUIET = 60.0
"""Seconds after which an output that is no terminal gets a line, too."""


class Progress:
    """Turns a run's events into a live line; where the output is no terminal, one line a record that is not ok, and one
    a minute.

    Nothing is drawn while a speed trial runs: the line is refreshed by events only, never by a thread.
    """

    def __init__(self, stopping: Stopping) -> None:
        self._stopping = stopping
        self._console = Console(stderr=True)
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=self._console,
            auto_refresh=False,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("planning", total=None, left="")
        self._running: dict[str, str] = {}
        self._waited = False
        self._told = 0.0

    def __enter__(self) -> "Progress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Takes note of one event."""
        if isinstance(event, Opened):
            self._bar.update(self._task, total=event.missing)
            self._say(f"{event.answered} answered already, {event.missing} to run → {event.folder}")
            if event.repaired:
                self._say(f"{event.repaired} damaged line(s) of earlier runs were set aside")
        elif isinstance(event, Grown | Again):
            total = (self._bar.tasks[0].total or 0) + event.count
            self._bar.update(self._task, total=total)
            if isinstance(event, Again):
                self._say(f"{event.count} trial(s) that the machine ended are asked again")
        elif isinstance(event, Parked | Told):
            self._say(event.reason if isinstance(event, Parked) else event.sentence)
        elif isinstance(event, Started):
            self._running[event.request.trial.id] = str(event.request.trial)
        elif isinstance(event, Waiting):
            if not self._waited:
                self._say(WAITING)
            self._waited = True
        elif isinstance(event, Recorded):
            self._record(event.record)
        self._draw()

    def _record(self, record: Record) -> None:
        self._running.pop(record.id, None)
        self._bar.advance(self._task)
        if record.status not in (Status.OK, Status.DIVERGED):
            self._say(f"{record.status}: {record.trial}: {record.reason}")

    def _say(self, words: str) -> None:
        """A line: a spelling's brackets are no markup; only a terminal folds it."""
        self._console.print(Text(words), soft_wrap=not self._console.is_terminal)

    def _draw(self) -> None:
        task = self._bar.tasks[0]
        left = ""
        if task.completed and task.total:
            seconds = task.elapsed or 0.0
            left = f"about {seconds / task.completed * (task.total - task.completed):.0f} s left"
            if not self._console.is_terminal and seconds - self._told >= QUIET and task.completed < task.total:
                self._told = seconds
                self._say(f"{task.completed:.0f} of {task.total:.0f}, {left}")
        what = "finishing what runs" if self._stopping.draining else " | ".join(self._running.values())
        self._bar.update(self._task, description=what[:60] or "…", left=left)
        self._bar.refresh()
