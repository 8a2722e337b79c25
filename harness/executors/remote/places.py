"""Workers as the driver counts them: how many trials fit where, and which may go there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.basis import rests_on_machine
from harness.trial import Trial

OF_RUN = ("torch", "numpy")
"""The facts that all workers of a run must have alike: every answer rests on them."""


@dataclass(slots=True, kw_only=True, eq=False)
class Place:
    """A worker: its address, the host it is on, its machine's fingerprint and facts, and what is free there.

    `failures`: how often in a row it could not run a trial at all.
    """

    address: str
    host: str
    machine: str
    facts: Mapping[str, Any]
    slots: int
    gpus: int
    free_slots: int
    free_gpus: int
    failures: int = 0

    @classmethod
    def of(cls, address: str, told: Mapping[str, Any]) -> "Place":
        """A worker as it introduced itself."""
        slots, gpus = told["slots"], len(told["gpus"])
        return cls(
            address=address,
            host=told["host"],
            machine=told["fingerprint"],
            facts=told["facts"],
            slots=slots,
            gpus=gpus,
            free_slots=slots,
            free_gpus=gpus,
        )

    @property
    def idle(self) -> bool:
        """Whether nothing of this run is there."""
        return self.free_slots == self.slots

    def take(self, trial: Trial, *, alone: bool) -> dict[str, int]:
        """Takes what a trial needs, and says what that is: slots (all of them, if alone) and GPUs."""
        needed = {"slots": self.slots if alone else 1, "gpus": int(trial.device != "cpu")}
        self.free_slots -= needed["slots"]
        self.free_gpus -= needed["gpus"]
        return needed

    def give_back(self, needed: Mapping[str, int]) -> None:
        """Gives back what `take` took."""
        self.free_slots += needed["slots"]
        self.free_gpus += needed["gpus"]


class Places:
    """The workers of a run by address. `machine`: the kind that answers what rests on a machine, chosen once."""

    def __init__(self) -> None:
        self.by_address: dict[str, Place] = {}
        self.machines: dict[str, Mapping[str, Any]] = {}

    def __len__(self) -> int:
        return len(self.by_address)

    @property
    def slots(self) -> int:
        """Of all workers."""
        return sum(place.slots for place in self.by_address.values())

    def choose_machine(self) -> list[Place]:
        """The run's machine is the kind with most slots; among equals, the first by fingerprint. Returns who differs
        from it in what every answer rests on.
        """
        kinds = {place.machine: place.facts for place in self.by_address.values()}
        most = max(sorted(kinds), key=lambda kind: sum(p.slots for p in self._of(kind)))
        self.machines = {most: kinds[most]}
        differing = [place for place in self.by_address.values() if self.unlike(place)]
        self.machines |= {place.machine: place.facts for place in self.by_address.values() if place not in differing}
        return differing

    def unlike(self, place: Place) -> list[str]:
        """In which versions that every answer rests on a worker differs from the run's machine."""
        if not self.machines:
            return []
        own = next(iter(self.machines.values()))
        return [
            f"{name}: {place.facts[name]} there, {own[name]} on the others"
            for name in OF_RUN
            if place.facts[name] != own[name]
        ]

    def admit(self, place: Place) -> None:
        """Adds a worker."""
        self.by_address[place.address] = place
        if self.machines:
            self.machines.setdefault(place.machine, place.facts)

    def lacking(self) -> str:
        """What trials will wait for, in words: any worker, or one of the run's machine; "" where nothing is lacking."""
        if not self.by_address:
            return "; waiting for another"
        if self.machines and not self._of(next(iter(self.machines))):
            return "; what rests on a machine (speed, memory, CUDA) waits for one of the kind it began on"
        return ""

    def for_trial(self, trial: Trial, *, alone: bool) -> Place | None:
        """The worker with most room among those that may run it and have any; None where it must wait."""
        kind = next(iter(self.machines)) if rests_on_machine(trial) else None
        gpus = int(trial.device != "cpu")
        fit = [
            place
            for place in (self._of(kind) if kind else self.by_address.values())
            if place.free_gpus >= gpus and (self._deserted(place.host) if alone else place.free_slots > 0)
        ]
        return max(fit, key=lambda place: place.free_slots, default=None)

    def _of(self, kind: str) -> list[Place]:
        return [place for place in self.by_address.values() if place.machine == kind]

    def _deserted(self, host: str) -> bool:
        return all(place.idle for place in self.by_address.values() if place.host == host)
