"""One run in progress: the plan as it grows, the answers as they come, the folder they go to."""

import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from harness import machine, store
from harness.answered import Answered, read_answered
from harness.basis import Bases
from harness.description import Planned
from harness.environment import private
from harness.errors import visible
from harness.events import Again, Event, Grown, Parked, Recorded
from harness.executors.executor import Executor
from harness.executors.stopping import Stopping
from harness.isolation.outcome import Outcome
from harness.isolation.request import Request
from harness.patience import MOST_ATTEMPTS, Patience
from harness.planning import Plan, gates_of, next_best
from harness.plugins import Catalog
from harness.record import Record, Status
from harness.store import Results, RunWriter
from harness.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How to run, which no answer depends on. `jobs`: trials at once, None for all there is room for; `memory`: bytes a
    trial may hold, None for its share of what is free; `executor`: `local` or `dask`; `scheduler`: Dask's address.
    """

    results: Path
    plugin_files: tuple[Path, ...] = ()
    jobs: int | None = None
    memory: int | None = None
    fresh: bool = False
    executor: str = "local"
    scheduler: str | None = None


class Session:
    """Asks trials and records their answers. `close` closes the journal; whoever runs the trials is its caller's."""

    def __init__(
        self, planned: Plan, catalog: Catalog, options: RunOptions, results: Results, executor: Executor
    ) -> None:
        self.catalog, self.options = catalog, options
        self.planned, self._executor = planned, executor
        self.trials = dict.fromkeys(planned.trials)
        self.facts = next(iter(executor.machines.values()))
        self.bases = Bases(catalog, self.facts)
        self.repaired = results.repair()
        self.earlier = read_answered(options.results)
        self.answers: dict[str, Answered] = {}
        self.impossible = planned.impossible
        self.matches = dict(planned.matches)
        stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
        self.writer = RunWriter(results.new_run(f"{stamp}-{planned.grid.name}"))
        self.plugin_files = tuple(map(self._keep_plugin, options.plugin_files))
        self.description: dict[str, Any] = {
            "schema": 1,
            "grid": {"name": planned.grid.name, "title": planned.grid.title},
            "command": ["harness", *map(private, sys.argv[1:])],
            "token": secrets.token_hex(8),
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "facts": machine.described(self.facts),
            "load": {"before": machine.load()},
            "plugins": [{"name": private(p.name), "origin": private(p.origin)} for p in catalog.plugins],
        }
        self.timeout = planned.grid.timeout
        self._patience = Patience()
        self._describe()

    def missing(self, trials: Iterable[Trial]) -> list[Trial]:
        """The trials without an answer on their present basis."""
        return [trial for trial in trials if self.answer(trial) is None]

    def answer(self, trial: Trial) -> Answered | None:
        """How a trial ended in this run, or an earlier answer."""
        if trial.id in self.answers:
            return self.answers[trial.id]
        earlier = self._earlier(trial)
        return earlier if earlier and earlier.status.answers and not self.options.fresh else None

    def plan_of(self, *measures: str) -> list[Trial]:
        """The trials of some measures in the plan as it now stands."""
        return [trial for trial in self.trials if trial.measure in measures]

    def ask(self, trials: list[Trial], stopping: Stopping, *, alone: bool = False) -> Iterator[Event]:
        """Runs what has no answer, and again what the machine ended; `alone`: each with a machine for itself.

        What depends on a failed gate, or belongs to a parked pair, is recorded without running.
        """
        ready = []
        for trial in self.missing(trials):
            verdict = self._verdict_of_gate(trial)
            if verdict is None:
                ready.append(trial)
            elif not stopping.draining:
                yield self._write(self._record(trial, *verdict))
        yield from self._run(ready, stopping, alone=alone)
        for _ in range(1, MOST_ATTEMPTS):
            if (again := self._patience.again(ready)) and not stopping.draining:
                yield Again(count=len(again))
                yield from self._run(again, stopping, alone=True)
        for trial in ready:
            if trial.id not in self.answers and (reason := self._patience.parked(trial)) and not stopping.draining:
                yield self._write(self._record(trial, Status.SKIPPED, reason))

    def _run(self, trials: list[Trial], stopping: Stopping, *, alone: bool) -> Iterator[Event]:
        """Runs them in children, except what is parked by the time its turn comes."""
        if not trials or stopping.draining:
            return
        requests = (self._request(trial) for trial in trials if not self._patience.parked(trial))
        for event in self._executor.execute(requests, stopping, alone=alone):
            if not isinstance(event, Outcome):
                yield event
                continue
            recorded = self._write(self._conclude(event))
            yield recorded
            if reason := self._patience.note(recorded.record, disturbed=event.disturbed):
                yield Parked(reason=reason)

    def fall_back(self, stopping: Stopping) -> Iterator[Event]:
        """Where the gate of the backend that `auto` chose, or of a speed baseline, failed, plans the next one too."""
        considered: set[Trial] = set()
        while not stopping.draining:
            more = []
            for trial in self.plan_of("accuracy", "gradients", "speed"):
                if trial not in considered and self._verdict_of_gate(trial) is not None:
                    considered.add(trial)
                    following = self._next(trial)
                    self.matches |= {f.id: self.matches[trial.id] for f in following if trial.id in self.matches}
                    more += following
            more = [trial for trial in more if trial not in self.trials]
            if not more:
                return
            gates = dict.fromkeys(gate for trial in more for gate in gates_of(trial))
            new = [trial for trial in dict.fromkeys([*gates, *more]) if trial not in self.trials]
            self.trials |= dict.fromkeys(new)
            self._describe()
            yield Grown(count=len(self.missing(new)))
            yield from self.ask(list(gates), stopping)

    def _next(self, trial: Trial) -> list[Trial]:
        cell = str(trial.cell)
        if trial.measure in ("accuracy", "gradients"):
            return [replace(trial, backend=b) for b in next_best(self.planned.candidates.get(cell, ()), trial.backend)]
        if self._verdict_of_gate(replace(trial, versus=None)) is not None:
            return []
        return [replace(trial, versus=b) for b in next_best(self.planned.baselines[cell], trial.versus)]

    def finish(self) -> None:
        """Notes the end of the run, the machine's load, and the other machines that answered, in its description."""
        _, *others = self._executor.machines.values()
        if others:
            self.description["machines"] = [machine.described(facts) for facts in others]
        self.description["ended"] = datetime.now().astimezone().isoformat(timespec="seconds")
        self.description["load"] |= {"after": machine.load()}
        self._describe()

    def close(self) -> None:
        """Closes the journal."""
        self.writer.close()

    def _verdict_of_gate(self, trial: Trial) -> tuple[Status, str] | None:
        """Why a trial may not run: (status, reason), or None if its gates passed."""
        if trial.measure == "conformance":
            return None
        for gate in gates_of(trial):
            answer = self.answer(gate)
            if answer is None:
                return Status.SKIPPED, f"its gate {gate.id} has not been run"
            if answer.status.answers and answer.status != Status.OK:
                return Status.REJECTED, f"{gate.pair} did not pass its gate {gate.id}: {answer.reason}"
            if answer.status != Status.OK:
                return Status.SKIPPED, f"its gate {gate.id} ended as {answer.status}: {answer.reason}"
        return None

    def _request(self, trial: Trial) -> Request:
        return Request(
            trial=trial,
            folder=self._executor.folder / trial.id,
            plugin_files=self.plugin_files,
            timeout=self.timeout,
            memory=self.options.memory or 0,
            spawn=trial.device != "cpu",
        )

    def _conclude(self, outcome: Outcome) -> Record:
        result = outcome.result
        record = self._record(outcome.request.trial, result.status, result.reason)
        arrays = self.writer.keep_arrays(record.id, outcome.arrays) if outcome.arrays else {}
        shutil.rmtree(outcome.request.folder, ignore_errors=True)
        return replace(
            record,
            values=result.values,
            answer=result.answer,
            arrays=arrays,
            output=private(outcome.output),
            seconds=round(outcome.seconds, 3),
            waited=round(outcome.waited, 3),
            machine=outcome.machine or record.machine,
        )

    def _record(self, trial: Trial, status: Status, reason: str) -> Record:
        earlier = self.answers.get(trial.id) or self._earlier(trial)
        attempts = 1 + (earlier.attempts if earlier and not earlier.status.answers else 0)
        basis, reason = self.bases.of(trial).digest, visible(private(reason))[:1000]
        own = self.description["facts"]["fingerprint"]
        return Record(trial=trial, status=status, basis=basis, reason=reason, attempts=attempts, machine=own)

    def _write(self, record: Record) -> Recorded:
        self.writer.write(record)
        self.answers[record.id] = Answered.of(record)
        return Recorded(record=record)

    def _earlier(self, trial: Trial) -> Answered | None:
        return self.earlier.get((trial.id, self.bases.of(trial).digest))

    def _describe(self) -> None:
        bases = {trial: self.bases.of(trial) for trial in self.trials}
        self.description["bases"] = {basis.digest: dict(basis.parts) for basis in bases.values()}
        planned = [
            Planned(trial=trial, basis=basis.digest, matches=self.matches.get(trial.id, ()))
            for trial, basis in bases.items()
        ]
        self.writer.describe(self.description, planned, self.impossible)

    def _keep_plugin(self, file: Path) -> Path:
        """A copy under its own name, which its basis counts; the second of one name has a folder of its own."""
        folder, number = self.writer.folder / store.PLUGINS, 1
        while (folder / file.name).exists():
            number += 1
            folder = self.writer.folder / store.PLUGINS / str(number)
        with store.in_words(folder):
            folder.mkdir(exist_ok=True)
            return Path(shutil.copyfile(file, folder / file.name)).absolute()
