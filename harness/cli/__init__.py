"""The command `harness`: one file a verb, each loaded when it is asked for."""

import importlib
import os
import sys

import click

from harness.cli import signs
from harness.cli.telling import tell
from harness.errors import HarnessError, Lost

VERBS = {
    "run": "Run a grid: what has an answer already is not run again.",
    "plan": "Show what a run would do, and what is answered already.",
    "demo": "Train RNN, LSTM and GRU to remember two numbers, and explain what came out.",
    "new": "Write a cell, a task or a backend that works, to be changed into yours.",
    "check": "Check a cell, a task, or a file of yours: what fails, at which smallest shape, and why.",
    "list": "List cells, backends, tasks, grids and plugins.",
    "show": "Show a trial's question, answer and log; or what a backend runs for a cell.",
    "compare": "Compare two sides, or a side with another revision: faster, smaller, better?",
    "doctor": "Find out what this machine's timings are worth.",
    "replay": "Run a recorded trial again: is the answer the same?",
    "track": "Track speed, memory and accuracy over commits, by asv; the gate.",
    "dashboard": "Show the tracked history in a browser, without a network.",
    "report": "Show a run's tables and findings; write CSV and figures.",
    "results": "Verify, merge, export and remove what is recorded.",
}


class Verbs(click.Group):
    """Loads a verb's file only when the verb is used, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs, in the order of a first acquaintance."""
        return [*VERBS]  # `list` may be the verb here

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None for an unknown one."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"harness.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with their first lines, without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([*VERBS.items()])


COMPLETION = """\b
After Tab the shell names cells, tasks, pairs and grids, once its start file has
  bash  eval "$(_HARNESS_COMPLETE=bash_source harness)"
  zsh   eval "$(_HARNESS_COMPLETE=zsh_source harness)"
  fish  _HARNESS_COMPLETE=fish_source harness | source
"""


@click.group(
    cls=Verbs, epilog=COMPLETION, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(package_name="cell-harness", prog_name="harness")
def harness() -> None:
    """Compare recurrent cells on grids of accuracy, speed and memory."""


def main() -> None:
    """The entry point: exit 0 done, 1 something failed, 2 usage, 130 interrupted."""
    signs.install()
    if "_HARNESS_COMPLETE" in os.environ:
        from harness.cli import completion

        completion.install()
    try:
        sys.exit(harness.main(prog_name="harness", standalone_mode=False) or 0)
    except HarnessError as error:
        tell(f"error: {error.message}", hanging=2, err=True)
        if error.detail:
            click.echo(error.detail, err=True)
        if error.hint:
            tell(f"hint: {error.hint}", hanging=2, err=True)
        sys.exit(1 if isinstance(error, Lost) else 2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
