"""`harness report`: a run's tables and findings, again."""

from pathlib import Path

import click

from harness import store
from harness.cli.options import full_option, json_option, results_option
from harness.cli.showing import show_report


@click.command(name="report")
@click.argument("run", required=False)
@results_option
@full_option
@json_option
def command(run: str | None, results: Path, full: bool, as_json: bool) -> None:
    """Show a run's tables and findings; write CSV and figures.

    RUN is a folder's name under results/runs, the newest by default.
    """
    show_report(store.read_run(results, run), as_json=as_json, full=full)
