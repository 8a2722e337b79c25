"""What is still missing? Run it, record it. A generator of what happens; the command line only shows it."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from harness.answered import read_answered
from harness.basis import Bases
from harness.events import Event, Opened
from harness.executors.executor import Executor
from harness.executors.local import Local
from harness.executors.stopping import Stopping
from harness.grid import Grid
from harness.planning import Plan, plan
from harness.plugins import Catalog
from harness.session import RunOptions, Session
from harness.store import Results
from harness.trial import Trial

ANSWERED = "answered"
"""The state of a planned trial that is not run again."""


def run(grid: Grid, catalog: Catalog, options: RunOptions, stopping: Stopping) -> Generator[Event, None, None]:
    """Plans the grid, runs what has no answer yet, records every trial.

    Gates first, then accuracy, gradients and memory beside each other on all cores, then speed alone. Raises
    HarnessError before anything runs where the grid cannot be planned, the results folder cannot be written or nobody
    can run trials, and later where nobody is left who can.
    """
    planned = plan(grid, catalog)
    with ExitStack() as stack:
        results = stack.enter_context(Results(options.results))
        executor = stack.enter_context(_executor(planned, catalog, options))
        yield from executor.ready(stopping)
        session = Session(planned, catalog, options, results, executor)
        stack.callback(session.close)
        missing = session.missing(planned.trials)
        yield Opened(
            folder=session.writer.folder,
            answered=len(planned.trials) - len(missing),
            missing=len(missing),
            repaired=session.repaired,
            trials=tuple(missing),
        )
        yield from session.ask(planned.of("conformance"), stopping)
        yield from session.fall_back(stopping)
        yield from session.ask(session.plan_of("accuracy", "gradients", "memory"), stopping)
        yield from session.ask(session.plan_of("speed"), stopping, alone=True)
        session.finish()


def _executor(planned: Plan, catalog: Catalog, options: RunOptions) -> Executor:
    if options.executor == "local":
        return Local(planned.grid.device, options.jobs)
    from harness.executors.dask import Dask
    from harness.executors.remote.needs import Needs

    return Dask(options.scheduler, Needs.of(catalog, planned.trials, options.plugin_files), options.jobs)


def still_missing(
    planned: Plan, catalog: Catalog, results: Path, facts: Mapping[str, Any]
) -> Iterator[tuple[Trial, str]]:
    """Each planned trial with what is known of it: answered, new, stale, or to be tried again."""
    found, bases = read_answered(results), Bases(catalog, facts)
    asked = {trial_id for trial_id, _ in found}
    for trial in planned.trials:
        answer = found.get((trial.id, bases.of(trial).digest))
        if answer and answer.status.answers:
            yield trial, ANSWERED
        elif answer:
            yield trial, f"to be tried again: {answer.status}"
        else:
            yield trial, "stale: sources or versions have changed" if trial.id in asked else "new"
