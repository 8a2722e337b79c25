"""`harness show ID`: a trial's question, answer and log."""

import json
from pathlib import Path

import click

from harness.cli.options import json_option, results_option
from harness.cli.recorded import recorded
from harness.record import Record


@click.command(name="show")
@click.argument("id")
@results_option
@json_option
def command(id: str, results: Path, as_json: bool) -> None:
    """Show a trial's question, answer and log.

    ID is a trial's id or the beginning of one, as `plan` and the tables give it.
    """
    found = recorded(results, id)
    run, record = found[-1]
    if as_json:
        click.echo(json.dumps({"schema": 1, "run": run, "record": _plain(record)}, ensure_ascii=False))
        return
    click.echo(f"{record.trial}\n{record.id} in {run}, {len(found)} record(s)\n")
    click.echo("question")
    for name, value in record.trial.to_plain().items():
        click.echo(f"  {name:<12} {json.dumps(value, ensure_ascii=False)}")
    click.echo(f"\nanswer: {record.status}" + (f", {record.reason}" if record.reason else ""))
    for name, measured in record.values.items():
        click.echo(f"  {name:<32} {measured.value} {measured.unit}".rstrip())
    click.echo(f"  {'seconds':<32} {record.seconds:g} s\n  {'attempts':<32} {record.attempts}")
    click.echo(f"  {'answer digest':<32} {record.answer}\n  {'basis':<32} {record.basis}")
    if record.output:
        click.echo(f"\nend of its output\n{record.output}")


def _plain(record: Record) -> object:
    from harness.canonical import encode

    return encode(record.to_plain())
