"""`harness show`: a trial's question, answer and log; or what a backend runs for a cell."""

import inspect
import json
from pathlib import Path

import click

from harness.choosing import why_not
from harness.cli.completion import Offered
from harness.cli.options import json_option, plugin_option, results_option
from harness.cli.recorded import recorded
from harness.cli.telling import tell
from harness.errors import HarnessError
from harness.plugins import load
from harness.record import Record
from harness.spelling import Spelling, parse


@click.command(name="show")
@click.argument("id", type=Offered("sides", listed=False))
@plugin_option
@results_option
@json_option
def command(id: str, plugins: tuple[Path, ...], results: Path, as_json: bool) -> None:
    """Show a trial's question, answer and log, or what a backend runs for a cell.

    ID is a trial's id or the beginning of one, as `plan` and the tables give it, or a pair: lstm@numpy.
    """
    if "@" in id:
        _show_pair(parse(id), plugins, as_json)
        return
    found = recorded(results, id)
    run, record = found[-1]
    if as_json:
        click.echo(json.dumps({"schema": 1, "run": run, "record": _plain(record)}, ensure_ascii=False))
        return
    tell(f"{record.trial}\n{record.id} in {run}, {len(found)} record(s)\n")
    click.echo("question")
    for name, value in record.trial.to_plain().items():
        tell(f"  {name:<12} {json.dumps(value, ensure_ascii=False)}", hanging=15)
    tell(f"\nanswer: {record.status}" + (f", {record.reason}" if record.reason else ""))
    for name, measured in record.values.items():
        tell(f"  {name:<32} {measured.value} {measured.unit}".rstrip(), hanging=4)
    tell(f"  {'seconds':<32} {record.seconds:g} s\n  {'attempts':<32} {record.attempts}")
    if record.waited:
        tell(f"  {'waited for other timings':<32} {record.waited:g} s")
    tell(f"  {'answer digest':<32} {record.answer}\n  {'basis':<32} {record.basis}", hanging=4)
    if record.output:
        click.echo(f"\nend of its output\n{record.output}")


def _show_pair(pair: Spelling, files: tuple[Path, ...], as_json: bool) -> None:
    """The cell, its equation and the backend's text."""
    catalog = load(files)
    cell, backend = catalog.cell(Spelling(pair.name, pair.options)), catalog.backend(pair.backend or "")
    if reason := why_not(catalog, cell, backend.about.name, backend.devices[0], "float32"):
        raise HarnessError(f"{pair} cannot run: {reason}")
    text = backend.text(cell)
    if as_json:
        click.echo(json.dumps({"schema": 1, "pair": str(pair), "text": text}, ensure_ascii=False))
        return
    equation = inspect.cleandoc(type(cell).__doc__ or "").partition("\n\n")[0]
    click.echo(f"{pair}: {cell.about.title}, {backend.about.title}\n{equation}\n\n{text}")


def _plain(record: Record) -> object:
    from harness.canonical import encode

    return encode(record.to_plain())
