"""How long a plan will take, from how long like trials took on this machine."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from harness import journal
from harness.record import Status
from harness.store import RECORDS, run_folders
from harness.trial import Trial

ENDED = (Status.OK, Status.DIVERGED, Status.REJECTED)
ALONE = "speed"
"""The measure whose trials run one at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """`seconds` on so many `cores` for the `known` trials, by so many `records`; `unknown` ones have no like."""

    seconds: float
    cores: int
    known: int
    unknown: int
    records: int

    def __str__(self) -> str:
        if not self.known + self.unknown:
            return "nothing to run"
        if not self.known:
            return "how long that takes is not known: no like trial has been recorded on this machine"
        rest = f"; {self.unknown} trials have no like and are not counted" if self.unknown else ""
        cores = f"{self.cores} core{'s' * (self.cores != 1)}"
        records = f"{self.records} record{'s' * (self.records != 1)}"
        return (
            f"about {rounded(self.seconds)} on {cores}, by the median of like trials on this machine ({records}){rest}"
        )


def forecast(trials: Iterable[Trial], history: Mapping[str, list[float]], cores: int) -> Forecast:
    """The time for trials that are still to be run. `history`: `seconds_by_likeness`.

    Trials that run beside each other take their sum over the cores, but no less than the longest of them.
    """
    likenesses = [(trial.measure, _likeness(trial.to_plain())) for trial in trials]
    known = [(measure, likeness) for measure, likeness in likenesses if likeness in history]
    beside = [median(history[likeness]) for measure, likeness in known if measure != ALONE]
    alone = [median(history[likeness]) for measure, likeness in known if measure == ALONE]
    return Forecast(
        seconds=max([sum(beside) / cores, *beside]) + sum(alone),
        cores=cores,
        known=len(known),
        unknown=len(likenesses) - len(known),
        records=sum(len(history[likeness]) for likeness in {likeness for _, likeness in known}),
    )


def seconds_by_likeness(results: Path, fingerprint: str) -> dict[str, list[float]]:
    """The seconds of every trial that ended on this machine, by what like ones share: all but the seed."""
    found: dict[str, list[float]] = {}
    for folder in run_folders(results):
        for line in journal.scan(folder / RECORDS):
            plain = journal.parse(line)
            if plain and plain.get("machine") == fingerprint and plain.get("status") in ENDED:
                found.setdefault(_likeness(plain["trial"]), []).append(float(plain["seconds"]))
    return found


def rounded(seconds: float) -> str:
    """As a person says it: 8 s · 1 min 40 s · 2 h 5 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes, rest = divmod(round(seconds / 10) * 10, 60)
    if minutes < 60:
        return f"{minutes:.0f} min {rest:.0f} s" if rest else f"{minutes:.0f} min"
    return f"{minutes // 60:.0f} h {minutes % 60:.0f} min"


def _likeness(trial: Mapping[str, Any]) -> str:
    return json.dumps({name: value for name, value in trial.items() if name != "seed"}, sort_keys=True)
