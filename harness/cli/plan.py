"""`harness plan`: what a run would do."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from harness import machine, plugins
from harness.cli.options import chosen_grid, json_option, plugin_option, results_option, selection_options
from harness.cli.telling import tell
from harness.forecast import forecast, seconds_by_likeness
from harness.matching import told
from harness.planning import plan
from harness.runner import ANSWERED, still_missing


@click.command(name="plan")
@selection_options
@plugin_option
@results_option
@json_option
def command(plugins: tuple[Path, ...], results: Path, as_json: bool, **selection: Any) -> None:
    """Show what a run would do, and what is answered already."""
    grid = chosen_grid(**selection)
    catalog = _load(plugins)
    planned, facts = plan(grid, catalog), machine.facts(grid.device)
    states = list(still_missing(planned, catalog, results, facts))
    rows = [
        {"id": trial.id, "trial": str(trial), "measure": trial.measure, "hidden": trial.hidden, "state": state}
        for trial, state in states
    ]
    to_run = [trial for trial, state in states if state != ANSWERED]
    history = seconds_by_likeness(results, machine.fingerprint(facts)) if to_run else {}
    expected = forecast(to_run, history, machine.allowed_cores())
    matched = told((trial, match) for trial in planned.trials for match in planned.matches.get(trial.id, ()))
    if as_json:
        lists = {"impossible": list(planned.impossible), "matched": matched}
        document = {"schema": 1, "grid": grid.name, "trials": rows, "forecast": asdict(expected), **lists}
        click.echo(json.dumps(document, ensure_ascii=False))
        return
    for row in rows:
        tell(f"{row['id']}  {row['state']:<10}  {row['trial']}", hanging=18)
    counts = Counter(row["state"] for row in rows)
    tell(f"\n{len(rows)} trials: " + ", ".join(f"{count} {state}" for state, count in counts.items()))
    tell(f"time: {expected}", hanging=2)
    for sentence in planned.impossible:
        tell(f"never: {sentence}", hanging=2)
    for sentence in matched:
        tell(f"matched: {sentence}", hanging=2)


def _load(files: tuple[Path, ...]) -> plugins.Catalog:
    return plugins.load(files)
