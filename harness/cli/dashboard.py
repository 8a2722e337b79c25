"""`harness dashboard`: the tracked history in a browser."""

from pathlib import Path

import click


@click.command(name="dashboard")
@click.option("--port", default=0, help="Where the pages are served: 8080, or the next free one.")
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option("--no-serve", is_flag=True, help="Only write the pages, to .asv/html.")
@click.pass_context
def command(ctx: click.Context, port: int, no_open: bool, no_serve: bool) -> None:
    """Draw the tracked history as pages and serve them, without a network; Ctrl-C ends it.

    Runs `asv publish` and `asv preview`, which work by hand too.
    """
    from harness.track import suite

    found = suite.find(Path.cwd())

    def say(line: str) -> None:
        click.echo(line, err=True)

    failed = found.asv("publish", "--no-pull", say=say)
    if failed or no_serve:
        ctx.exit(failed)
    ctx.exit(found.asv("preview", "--port", str(port), *(() if no_open else ("--browser",)), say=say))
