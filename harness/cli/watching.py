"""`harness run --watch`: what runs, what is done, who solved how much, as a table drawn anew at each event."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.events import Again, Event, Grown, Opened, Parked, Recorded
from harness.executors.executor import Told
from harness.executors.local import Started, Waiting
from harness.executors.stopping import Stopping
from harness.forecast import rounded
from harness.locks import WAITING
from harness.record import Record
from harness.trial import Trial

NARROWEST = 60
"""Columns of a terminal below which lines are printed instead of a table."""


@dataclass(slots=True)
class Tally:
    """What has happened to a cell's trials. `running`: what runs, by trial id."""

    trials: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    amiss: int = 0
    trained: int = 0
    solved: int = 0
    running: dict[str, str] = field(default_factory=dict)

    def note(self, record: Record) -> None:
        """Takes note of a record."""
        self.running.pop(record.id, None)
        self.trials.add(record.id)
        self.done.add(record.id)
        self.amiss += not record.status.is_fine
        if record.trial.measure == "accuracy" and "solved" in record.values:
            self.trained += 1
            self.solved += bool(record.values["solved"].value)


class Watch:
    """Turns a run's events into a live table; where there is no wide enough UTF-8 terminal, a line a record.

    Drawn by events only, never by a thread: nothing is drawn while a speed trial runs.
    """

    def __init__(self, stopping: Stopping, console: Console | None = None) -> None:
        self._stopping, self._console = stopping, console or Console(stderr=True)
        self._tallies: dict[str, Tally] = {}
        self._began = time.monotonic()
        able = self._console.is_terminal and not self._console.is_dumb_terminal
        self._live: Live | None = None
        if able and self._console.width >= NARROWEST and self._console.encoding.startswith("utf"):
            self._live = Live(console=self._console, auto_refresh=False)
        self._waited = False

    def __enter__(self) -> "Watch":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, event: Event) -> None:
        """Takes note of one event."""
        match event:
            case Opened():
                for trial in event.trials:
                    self._tally(trial).trials.add(trial.id)
                self._say(f"{event.answered} answered already, {event.missing} to run → {event.folder}")
                if event.repaired:
                    self._say(f"{event.repaired} damaged line(s) of earlier runs were set aside")
            case Grown():
                self._say(f"{event.count} more trials: a gate failed, and the next backend takes its place")
            case Again():
                self._say(f"{event.count} trial(s) that the machine ended are asked again")
            case Parked():
                self._say(event.reason)
            case Told():
                self._say(event.sentence)
            case Waiting() if not self._waited:
                self._waited = True
                self._say(WAITING)
            case Started():
                trial = event.request.trial
                self._tally(trial).running[trial.id] = _doing(trial)
                self._tally(trial).trials.add(trial.id)
            case Recorded():
                self._record(event.record)
        if self._live is not None:
            self._live.update(self.table(), refresh=True)

    def table(self) -> Table:
        """The state of the run: a row a cell, their sum in the caption."""
        table = Table(
            box=SIMPLE_HEAD, pad_edge=False, expand=True, caption=Text(self._caption()), caption_justify="left"
        )
        columns: dict[str, Callable[[Tally], str]] = {
            "done": lambda tally: f"{len(tally.done)}/{len(tally.trials)}",
            "solved": lambda tally: f"{tally.solved}/{tally.trained}" if tally.trained else "",
            "amiss": lambda tally: str(tally.amiss or ""),
            "now": lambda tally: ", ".join(tally.running.values()),
        }
        table.add_column("cell", no_wrap=True)
        for name in columns:
            table.add_column(name, justify="left" if name == "now" else "right", ratio=1 if name == "now" else None)
        for cell, tally in self._tallies.items():
            table.add_row(Text(cell), *(Text(told(tally)) for told in columns.values()))
        return table

    def _record(self, record: Record) -> None:
        tally = self._tally(record.trial)
        tally.note(record)
        if self._live is None or not record.status.is_fine:
            done, trials = _sizes(self._tallies.values())
            self._say(f"[{done}/{trials}] {record.trial}: {_ended(record)}")

    def _tally(self, trial: Trial) -> Tally:
        return self._tallies.setdefault(str(trial.cell), Tally())

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=not self._console.is_terminal)

    def _caption(self) -> str:
        if self._stopping.draining:
            return "finishing what runs"
        done, trials = _sizes(self._tallies.values())
        seconds = time.monotonic() - self._began
        left = f", about {rounded(seconds / done * (trials - done))} left" if 0 < done < trials else ""
        return f"{done} of {trials} trials, {rounded(seconds)}{left}"


def _sizes(tallies: Iterable[Tally]) -> tuple[int, int]:
    found = [*tallies]
    return sum(len(tally.done) for tally in found), sum(len(tally.trials) for tally in found)


def _doing(trial: Trial) -> str:
    return trial.measure if trial.seed is None else f"{trial.measure} seed {trial.seed}"


def _ended(record: Record) -> str:
    """How it ended, in a few words."""
    told = str(record.status)
    if "solved" in record.values:
        steps = f"after {record.number('steps'):,.0f} steps"
        told += f", solved {steps}" if record.values["solved"].value else f", not solved {steps}"
    reason = record.reason.partition("\n")[0]
    return f"{told} ({record.seconds:.1f} s)" + (f": {reason}" if reason else "")
