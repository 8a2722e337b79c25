"""`harness results`: verify, merge, export and remove what is recorded."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast, get_args

import click

from harness import machine, plugins
from harness.cli.options import json_option, plugin_option, results_option
from harness.cli.telling import tell
from harness.errors import HarnessError
from harness.results import exporting, merging, removing, verifying
from harness.results.exporting import Format
from harness.results.verifying import Check, RunCheck


@click.group(name="results")
def command() -> None:
    """Verify, merge, export and remove what is recorded."""


@command.command(name="verify")
@results_option
@json_option
@click.pass_context
def verify(ctx: click.Context, results: Path, as_json: bool) -> None:
    """Read every line and every array, and say what is damaged. Nothing is changed. Exit 0: sound; 1: damaged."""
    check = verifying.verify(results)
    if as_json:
        click.echo(json.dumps({"schema": 1, "sound": check.is_sound, **asdict(check)}, ensure_ascii=False))
    else:
        for run in check.runs:
            tell("\n".join(_told(run)), hanging=4)
        tell(_verdict(check), hanging=2)
    ctx.exit(0 if check.is_sound else 1)


@command.command(name="merge")
@click.argument("sources", nargs=-1, required=True, metavar="DIR…", type=click.Path(path_type=Path, file_okay=False))
@results_option
@json_option
def merge(sources: tuple[Path, ...], results: Path, as_json: bool) -> None:
    """Add the runs of other results folders; merging again changes nothing, and the sources are only read."""
    found = []
    for one in merging.merge(results, sources):
        found.append(one)
        if not as_json:
            damaged = f", {one.damaged} damaged lines stay there" if one.damaged else ""
            tell(f"{one.source} → {one.name}: {one.new} new, {one.known} known{damaged}")
    if as_json:
        runs = [asdict(one) | {"source": str(one.source)} for one in found]
        click.echo(json.dumps({"schema": 1, "runs": runs}, ensure_ascii=False))


@command.command(name="export")
@click.argument("kind", metavar="FORMAT", type=click.Choice(get_args(Format)))
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="The file; standard output by default.")
@click.option("--run", "run", help="One run by its folder's name.")
@results_option
def export(kind: str, output: Path | None, run: str | None, results: Path) -> None:
    """Write records as csv, parquet or json, or a run's tables as latex."""
    click.echo(exporting.export(results, cast(Format, kind), output, run), nl=False)


@command.command(name="rm")
@click.argument("word", required=False, metavar="[RUN|ID]")
@click.option("--stale", is_flag=True, help="What rests on sources or versions that are not the present ones.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@plugin_option
@results_option
def rm(word: str | None, stale: bool, yes: bool, plugins: tuple[Path, ...], results: Path) -> None:
    """Remove a run, the records of a trial, or what is stale, for good. Asks first."""
    if (word is None) != stale:
        raise click.UsageError("wanted a run, the beginning of an id, or --stale: one of them")
    removal = _stale(results, plugins) if word is None else removing.of_word(results, word)
    if removal.kept:
        tell(f"{removal.kept} records are kept: what made them is not loaded or not known", err=True)
    if removal.is_empty:
        click.echo("nothing to remove", err=True)
        return
    for run, count in removal.records.items():
        click.echo(f"{run}: {count} records", err=True)
    if not yes:
        click.confirm(f"remove {removal.told}, {sum(removal.records.values())} records?", abort=True, err=True)
    click.echo(f"{removing.remove(results, removal)} records removed", err=True)


def _stale(results: Path, files: tuple[Path, ...]) -> removing.Removal:
    if not results.is_dir():
        raise HarnessError(f"wanted a results folder, found none at {results}")
    return removing.of_stale(results, plugins.load(files), machine.facts())


def _told(run: RunCheck) -> list[str]:
    """A line a run, and one for each thing that is the matter with it."""
    told = [f"{run.name}: {run.records} records, {run.planned} planned, {run.arrays} array files"]
    counts = {
        "damaged lines": run.damaged,
        "lines of another version, kept but not read": run.foreign,
        "damaged lines set aside earlier": run.aside,
    }
    told += [f"  {count} {what}" for what, count in counts.items() if count]
    lists: dict[str, Any] = {"missing": run.missing, "damaged": run.wrong, "left by a crash, harmless": run.left}
    told += [f"  {name}: {what}" for what, names in lists.items() for name in names]
    return told + ([f"  {run.description}"] if run.description else [])


def _verdict(check: Check) -> str:
    records = sum(run.records for run in check.runs)
    told = [f"conflict: {trial_id} was answered twice on one machine, differently" for trial_id in check.conflicts]
    told.append(f"{records} records in {len(check.runs)} runs: {'sound' if check.is_sound else 'damaged'}")
    return "\n".join(told)
