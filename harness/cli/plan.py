"""`harness plan`: what a run would do."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import click

from harness import machine, plugins
from harness.cli.options import chosen_grid, json_option, plugin_option, results_option, selection_options
from harness.matching import told
from harness.planning import plan
from harness.runner import still_missing


@click.command(name="plan")
@selection_options
@plugin_option
@results_option
@json_option
def command(plugins: tuple[Path, ...], results: Path, as_json: bool, **selection: Any) -> None:
    """Show what a run would do, and what is answered already."""
    grid = chosen_grid(**selection)
    catalog = _load(plugins)
    planned = plan(grid, catalog)
    rows = [
        {"id": trial.id, "trial": str(trial), "measure": trial.measure, "hidden": trial.hidden, "state": state}
        for trial, state in still_missing(planned, catalog, results, machine.facts(grid.device))
    ]
    matched = told((trial, match) for trial in planned.trials for match in planned.matches.get(trial.id, ()))
    if as_json:
        lists = {"impossible": list(planned.impossible), "matched": matched}
        document = {"schema": 1, "grid": grid.name, "trials": rows, **lists}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for row in rows:
        click.echo(f"{row['id']}  {row['state']:<10}  {row['trial']}")
    states = Counter(row["state"] for row in rows)
    click.echo(f"\n{len(rows)} trials: " + ", ".join(f"{count} {state}" for state, count in states.items()))
    for sentence in planned.impossible:
        click.echo(f"never: {sentence}")
    for sentence in matched:
        click.echo(f"matched: {sentence}")


def _load(files: tuple[Path, ...]) -> plugins.Catalog:
    return plugins.load(files)
