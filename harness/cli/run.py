"""`harness run`: run a grid."""

import math
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from harness import plugins
from harness.cli.options import chosen_grid, full_option, json_option, plugin_option, results_option, selection_options
from harness.cli.progress import Progress
from harness.cli.showing import show_report
from harness.cli.telling import tell
from harness.cli.watching import Watch
from harness.errors import HarnessError
from harness.events import Opened
from harness.executors.stopping import Stopping
from harness.runner import run
from harness.session import RunOptions


@click.command(name="run")
@selection_options
@plugin_option
@results_option
@click.option("--jobs", type=click.IntRange(min=1), help="Trials at once; all cores by default. Speed runs alone.")
@click.option(
    "--memory-limit", type=float, metavar="GIB", help="What a trial may hold; by default its share of what is free."
)
@click.option("--executor", type=click.Choice(["local", "dask"]), help="This machine (the default), or a Dask cluster.")
@click.option("--scheduler", metavar="ADDRESS", help="Dask's, tls://host:port; without it, a cluster here is started.")
@click.option("--fresh", is_flag=True, help="Ask again what has an answer already.")
@click.option("--watch", is_flag=True, help="Show a live table: what runs, what is done, who solved how much.")
@full_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    /,
    *,
    plugins: tuple[Path, ...],
    results: Path,
    jobs: int | None,
    memory_limit: float | None,
    executor: str | None,
    scheduler: str | None,
    fresh: bool,
    watch: bool,
    full: bool,
    as_json: bool,
    **selection: Any,
) -> None:
    """Run a grid: what has an answer already is not run again.

    Ctrl-C once finishes what runs, but gives up a timing; twice stops. What is recorded stays recorded.
    """
    memory = _bytes(memory_limit)
    grid = chosen_grid(**selection)
    catalog = _load(plugins)
    for missing in catalog.missing:
        tell(f"missing: {missing.name}: {missing.reason}", hanging=2, err=True)
    options = RunOptions(
        results=results,
        plugin_files=plugins,
        jobs=jobs,
        memory=memory,
        fresh=fresh,
        executor=_executor(executor, scheduler),
        scheduler=scheduler,
    )
    folder = None
    with (
        Stopping() as stopping,
        (Watch if watch else Progress)(stopping) as progress,
        closing(run(grid, catalog, options, stopping)) as events,
    ):
        for event in events:
            progress.show(event)
            if isinstance(event, Opened):
                folder = event.folder
        interrupted = stopping.draining
    if folder is not None:
        fine = _report(results, folder.name, as_json=as_json, full=full)
        ctx.exit(130 if interrupted else 0 if fine else 1)


def _executor(executor: str | None, scheduler: str | None) -> str:
    if executor == "local" and scheduler is not None:
        raise HarnessError("wanted --executor dask beside --scheduler, found --executor local")
    return executor or ("local" if scheduler is None else "dask")


def _bytes(gibibytes: float | None) -> int | None:
    if gibibytes is not None and not (gibibytes > 0 and math.isfinite(gibibytes)):
        raise HarnessError(f"wanted a memory limit above 0 GiB, found {gibibytes:g}")
    return None if gibibytes is None else max(1, int(gibibytes * 2**30))


def _load(files: tuple[Path, ...]) -> plugins.Catalog:
    return plugins.load(files)


def _report(results: Path, name: str, *, as_json: bool, full: bool) -> bool:
    """Shows the report. Returns whether every planned trial has a row that is ok, diverged or skipped."""
    from harness import store

    view = store.read_run(results, name)
    show_report(view, as_json=as_json, full=full)
    sys.stdout.flush()
    return all(trial.id in view.records and view.records[trial.id].status.is_fine for trial in view.planned)
