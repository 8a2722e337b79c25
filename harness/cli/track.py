"""`harness track`: speed, memory and accuracy from commit to commit."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from harness.cli.options import json_option, plugin_option, results_option
from harness.cli.telling import tell

NOT_IMPORTED = r"^(?!runs\.)"
"""Every benchmark but those that `harness track import` fills: asv would put gaps in their place."""
HELP = {"help_option_names": ["-h", "--help"], "ignore_unknown_options": True}


@click.group(name="track")
def command() -> None:
    """Track speed, memory and accuracy over this repository's commits, by asv.

    Says which asv commands it runs; the same ones work by hand.
    """


@command.command()
@click.argument("axis", required=False)
@click.argument("names", nargs=-1)
@plugin_option
@json_option
def grid(axis: str | None, names: tuple[str, ...], plugins: tuple[Path, ...], as_json: bool) -> None:
    """Show the axes of the suite, or append NAMES to one of them: cells, backends, tasks, shapes.

    What is tracked stays where it is; a commit without a name shows a gap.
    """
    from harness.track import axes, suite

    path = suite.find(Path.cwd()).axes
    known = axes.read(path)
    if axis:
        known = known.grown(axis, axes.checked(axis, names, plugins))
        axes.write(known, path)
    if as_json:
        click.echo(json.dumps({"schema": 1, "axes": known.values}, ensure_ascii=False))
        return
    for name, values in known.values.items():
        tell(f"{name:<9} {', '.join(values)}", hanging=10)


@command.command(context_settings=HELP)
@click.argument("span", metavar="[RANGE]", default="HEAD^!")
@click.argument("arguments", metavar="[-- ASV ARGUMENTS]", nargs=-1, type=click.UNPROCESSED)
@click.option("--again", is_flag=True, help="Measure again what has a figure already.")
@click.pass_context
def run(ctx: click.Context, span: str, arguments: tuple[str, ...], again: bool) -> None:
    """Measure the commits of RANGE, the newest one by default; what was measured is kept.

    Exit 0 done, 1 asv found nothing to run, 2 a benchmark failed.
    """
    from harness.track import axes, suite

    if span.startswith("-"):  # an argument of asv's, and no range before it
        span, arguments = "HEAD^!", (span, *arguments)
    found = suite.find(Path.cwd())
    found.check_span(span)
    axes.read(found.axes)
    if not found.is_clean():
        tell("note: uncommitted changes are not measured, but for benchmarks/ (git commit)", err=True)
    chosen = () if any(each.startswith(("-b", "--bench")) for each in arguments) else ("--bench", NOT_IMPORTED)
    kept = () if again else ("--skip-existing-successful",)
    ctx.exit(found.asv("run", span, "--record-samples", *chosen, *kept, *arguments, say=_say))


@command.command(name="import")
@click.argument("run")
@results_option
@json_option
def import_(run: str, results: Path, as_json: bool) -> None:
    """Put a grid run onto its commit, so that `harness run --cells all` feeds the dashboard.

    RUN is a folder's name under results/runs.
    """
    from harness import store
    from harness.track import suite
    from harness.track.importing import import_run

    imported = import_run(suite.find(Path.cwd()), store.read_run(results, run))
    if as_json:
        click.echo(json.dumps({"schema": 1, **asdict(imported)}, ensure_ascii=False))
        return
    tell(f"{imported.points} figures of {run} on {imported.commit[:8]} → results/asv/{imported.file}")
    if imported.untracked:
        tell(f"not tracked: {'; '.join(imported.untracked)} (harness track grid)", err=True)


@command.command()
@click.option("--since", required=True, metavar="REV", help="The revision before the commits to judge.")
@json_option
@click.pass_context
def check(ctx: click.Context, since: str, as_json: bool) -> None:
    """Fail where memory or accuracy became worse after a revision, or a benchmark failed; report times.

    Judges what `harness track run` measured. Exit 1: something became worse.
    """
    from harness.track import suite
    from harness.track.gate import judge

    found = suite.find(Path.cwd())
    verdict = judge(found, since)
    findings = verdict.findings
    failed = [finding for finding in findings if not finding.timed]
    fork = found.fork(since)
    if fork != found.commit(since):
        tell(f"note: {since} went on without HEAD: {fork[:8]}, which they share, is the base", err=True)
        since = fork[:8]
    for side, judged in {"HEAD": verdict.commit, since: verdict.against}.items():
        if judged != found.commit(side):
            tell(f"note: {side} was not measured, {judged[:8]} is judged (harness track run {side}^!)", err=True)
    if as_json:
        rows = [{**asdict(finding), "timed": finding.timed} for finding in findings]
        sides = {"commit": verdict.commit, "against": verdict.against, "findings": rows, "failed": bool(failed)}
        click.echo(json.dumps({"schema": 1, **sides}, ensure_ascii=False))
    else:
        for finding in findings:
            tell(f"{'time, not judged: ' if finding.timed else ''}{finding}", hanging=2)
        if not findings:
            click.echo(f"nothing became worse after {since}")
        if len(failed) < len(findings):
            tell(f"decide times by: harness compare CELL@BACKEND --base {since} --measures speed", err=True)
    ctx.exit(1 if failed else 0)


def _say(line: str) -> None:
    click.echo(line, err=True)
