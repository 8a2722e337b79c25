"""A run's description, `run.json`: its grid, its machine, every planned trial with the basis its answer must have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import canonical, journal, matching
from harness.errors import HarnessError
from harness.matching import Match
from harness.trial import Trial

RUN = "run.json"

Key = tuple[str, str]
"""A trial's id and the basis its answer rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A planned trial, the basis its answer must have, and what its hidden size was solved for, if for anything."""

    trial: Trial
    basis: str
    matches: tuple[Match | None, ...] = ()

    @property
    def key(self) -> Key:
        """What an answer must match."""
        return self.trial.id, self.basis

    def to_plain(self) -> dict[str, Any]:
        """Plain data; a trial that stands for its own hidden size says nothing of matching."""
        matched = {"matched": matching.to_plain(self.matches)} if self.matches else {}
        return {"trial": self.trial.to_plain(), "basis": self.basis} | matched

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> "Planned":
        """Reads `to_plain` back. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            trial=Trial.from_plain(plain["trial"]),
            basis=plain["basis"],
            matches=matching.from_plain(plain.get("matched", ())),
        )


def write_description(
    folder: Path, description: Mapping[str, Any], planned: Iterable[Planned], impossible: Iterable[str]
) -> None:
    """Writes `run.json`, whole or not at all, durable when this returns. Raises HarnessError where it cannot."""
    plain = dict(description) | {
        "planned": [entry.to_plain() for entry in planned],
        "impossible": list(impossible),
    }
    try:
        journal.put(folder / RUN, [canonical.dumps(plain).encode()])
    except OSError as error:
        raise HarnessError(f"cannot write to {folder}: {error.strerror or error}") from error


def read_description(folder: Path) -> dict[str, Any]:
    """A run's description as plain data. Raises HarnessError where it is missing or damaged."""
    try:
        found: dict[str, Any] = {**canonical.loads((folder / RUN).read_bytes())}
        return found
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise HarnessError(f"{folder / RUN} is damaged: {type(error).__name__} {error}") from error


def planned_of(plain: Mapping[str, Any], folder: Path) -> list[Planned]:
    """The planned trials of a description. Raises HarnessError where it is not of its form."""
    try:
        if [type(plain[name]) for name in ("grid", "facts", "planned", "impossible")] != [dict, dict, list, list]:
            raise TypeError("grid, facts and plan are no tables and lists")
        return [Planned.from_plain(entry) for entry in plain["planned"]]
    except (ValueError, KeyError, TypeError, AttributeError, HarnessError) as error:
        raise HarnessError(f"{folder / RUN} is damaged: {type(error).__name__} {error}") from error


def facts_of(folder: Path) -> dict[str, Any]:
    """The facts of the machine that a run was made on; empty where its description does not tell."""
    try:
        facts = read_description(folder).get("facts")
    except HarnessError:
        return {}
    return facts if isinstance(facts, dict) else {}


def made_on(facts: Mapping[str, Any]) -> str:
    """The fingerprint among a run's facts; "" where there is none."""
    return str(facts.get("fingerprint", ""))
