"""`harness replay ID`: is the answer still the same?"""

import json
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import click

from harness import replay
from harness.cli.options import json_option, results_option
from harness.cli.recorded import recorded
from harness.cli.telling import tell
from harness.executors.stopping import Stopping
from harness.locks import WAITING
from harness.replay import Again, Change, Replay
from harness.settings import check_timeout

PARTS = {
    "core": "the harness's own sources",
    "cell": "the sources of the cell",
    "backend": "the sources of the backend",
    "versus": "the sources of the baseline",
    "task": "the sources of the task",
    "data": "the data the task reads",
    "machine": "the machine's fingerprint",
}


@click.command(name="replay")
@click.argument("id")
@results_option
@click.option("--timeout", type=float, default=600.0, show_default=True, help="Seconds the trial may take.")
@json_option
@click.pass_context
def command(ctx: click.Context, id: str, results: Path, timeout: float, as_json: bool) -> None:
    """Run a recorded trial again and say whether the answer is the same.

    ID is a trial's id or the beginning of one; its newest answer counts. What no clock made must be the same to the
    bit; intervals of times must overlap. First it says what has changed since. Nothing is written. Exit 0: the same;
    1: different.
    """
    check_timeout(timeout)
    found = recorded(results, id)
    run, record = next((one for one in reversed(found) if one[1].answer), found[-1])
    prepared = replay.prepare(record, results / "runs" / run)
    if not as_json:
        _show_changes(prepared, run)
    again = _ask(prepared, timeout)
    differing = replay.differences(prepared, again)
    if as_json:
        click.echo(json.dumps(_document(prepared, run, again, differing), ensure_ascii=False))
    else:
        _show_answer(prepared, again, differing)
    ctx.exit(1 if differing else 0)


def _ask(prepared: Replay, timeout: float) -> Again:
    with Stopping() as stopping, closing(replay.ask(prepared, timeout, stopping)) as asked, stopping.at_once():
        for event in asked:
            if isinstance(event, Again):
                return event
            tell(WAITING, err=True)
    raise KeyboardInterrupt


def _show_changes(prepared: Replay, run: str) -> None:
    record = prepared.record
    tell(f"{record.trial}\n{record.id} in {run}\n\nchanged since" + ("" if _all(prepared) else ": nothing"))
    for change in _all(prepared):
        tell(f"  {PARTS.get(change.name, change.name)}: {change.before or '–'} → {change.now or '–'}", hanging=4)
    tell(f"{prepared.meaning}\n")


def _show_answer(prepared: Replay, again: Again, differing: list[str]) -> None:
    record, result = prepared.record, again.result
    tell(f"recorded  {record.status}, answer {record.answer}")
    tell(f"now       {result.status}, answer {result.answer or '–'}\n")
    for line in differing:
        tell(f"  {line}", hanging=4)
    tell("different" if differing else "the same")


def _all(prepared: Replay) -> tuple[Change, ...]:
    return (*prepared.basis, *prepared.machine)


def _document(prepared: Replay, run: str, again: Again, differing: list[str]) -> dict[str, object]:
    record, result = prepared.record, again.result
    return {
        "schema": 1,
        "id": record.id,
        "run": run,
        "trial": str(record.trial),
        "changes": {
            "basis": [asdict(change) for change in prepared.basis],
            "machine": [asdict(change) for change in prepared.machine],
            "meaning": prepared.meaning,
        },
        "recorded": {"status": str(record.status), "answer": record.answer},
        "now": {"status": str(result.status), "answer": result.answer},
        "differences": differing,
        "same": not differing,
    }
