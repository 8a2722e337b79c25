"""`harness dashboard`: the tracked history in a browser."""

import socket
from pathlib import Path

import click

from harness.cli.telling import tell
from harness.errors import HarnessError


@click.command(name="dashboard")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="Where to serve: 8080, or the next free one.")
@click.option("--no-open", is_flag=True, help="Open no browser.")
@click.option("--no-serve", is_flag=True, help="Only write the pages, to .asv/html.")
@click.pass_context
def command(ctx: click.Context, port: int, no_open: bool, no_serve: bool) -> None:
    """Draw the tracked history as pages and serve them, without a network; Ctrl-C ends it.

    Runs `asv publish` and `asv preview`, which work by hand too.
    """
    from harness.track import suite

    found = suite.find(Path.cwd())
    if port and not no_serve:
        _check_free(port)
    if found.is_shallow():
        tell(f"note: commits that are not here are not drawn ({suite.UNSHALLOW})", err=True)

    def say(line: str) -> None:
        click.echo(line, err=True)

    failed = found.asv("publish", "--no-pull", say=say)
    if failed or no_serve:
        ctx.exit(failed)
    ctx.exit(found.asv("preview", "--port", str(port), *(() if no_open else ("--browser",)), say=say))


def _check_free(port: int) -> None:
    """Raises HarnessError where nothing can be served at the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as asv does: one left a moment ago is free
        try:
            probe.bind(("", port))
        except OSError as error:
            reason = f"wanted port {port} to serve the pages at, found none: {error.strerror}"
            raise HarnessError(reason, hint="harness dashboard takes a free one") from None
