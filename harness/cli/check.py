"""`harness check`: the conformance kit on a cell, a backend, a task, or a file that offers some."""

import json
import sys
from pathlib import Path

import click

from harness.cli.completion import Offered
from harness.cli.options import json_option, plugin_option
from harness.cli.telling import tell
from harness.errors import HarnessError
from harness.kit.asked import ask
from harness.kit.result import expecting
from harness.kit.telling import as_markdown, as_plain, lines, summary


@click.command(name="check")
@click.argument("targets", nargs=-1, required=True, type=Offered("cells", listed=False))
@plugin_option
@click.option("--expect", "expected", multiple=True, metavar="CHECK=REASON", help="A check that may fail. Repeatable.")
@click.option("--all", "every", is_flag=True, help="Show the checks that passed, too.")
@click.option("--markdown", is_flag=True, help="Print a page in Markdown, nothing else.")
@json_option
def command(
    targets: tuple[str, ...],
    plugins: tuple[Path, ...],
    expected: tuple[str, ...],
    every: bool,
    markdown: bool,
    as_json: bool,
) -> None:
    """Check cells, tasks, or Python files that offer some.

    A TARGET is a cell (lstm: on every backend that runs it), a pair (lstm@numpy), a task (adding), or a file
    (my_cell.py: all that it offers). Every failure comes with the smallest shape that fails, its worst element, and
    the likely cause where trying it out names one. docs/check.md lists the checks. Exit 0: all passed; 1: some failed.
    """
    own = tuple(Path(target) for target in targets if target.endswith(".py"))
    expectations = dict(_expectation(text) for text in expected)
    asked = ask(targets, (*plugins, *own))
    found = [expecting(results, expectations) for results in asked.subjects]
    if as_json:
        plain = {"subjects": [as_plain(results) for results in found], "impossible": asked.impossible}
        click.echo(json.dumps({"schema": 1, **plain}, ensure_ascii=False))
    elif markdown:
        click.echo("\n".join(as_markdown(results) for results in found))
    else:
        for results in found:
            for line in lines(results, every=every)[:-1]:
                tell(line, hanging=6)
            tell(summary(results), hanging=2)
        for pair, reason in asked.impossible.items():
            tell(f"{pair}: no such pair: {reason}", hanging=2)
    sys.exit(any(result.is_bad for results in found for result in results))


def _expectation(text: str) -> tuple[str, str]:
    check, equals, reason = text.partition("=")
    if not (equals and check.strip() and reason.strip()):
        raise HarnessError(f"--expect: wanted CHECK=REASON, found {text!r}")
    return check.strip(), reason.strip()
