"""`harness demo`: three trainings and a page that explains them."""

import json
import os
import sys
import webbrowser
from contextlib import closing
from pathlib import Path

import click

from harness import plugins
from harness.cli.options import json_option, results_option
from harness.cli.progress import Progress
from harness.cli.telling import tell
from harness.demo import LANGUAGES
from harness.events import Opened
from harness.executors.stopping import Stopping
from harness.grid import load_grid
from harness.runner import run
from harness.session import RunOptions


@click.command(name="demo")
@click.option("--lang", type=click.Choice(LANGUAGES), default="en", show_default=True, help="The page's language.")
@click.option("--no-open", is_flag=True, help="Open no browser.")
@results_option
@json_option
@click.pass_context
def command(ctx: click.Context, lang: str, no_open: bool, results: Path, as_json: bool) -> None:
    """Train RNN, LSTM and GRU to remember two numbers, and explain what came out.

    About two minutes on two cores; what is trained already is not trained again. Writes one page, with this run's own
    curves, and opens it.
    """
    catalog, folder = plugins.load(), None
    options = RunOptions(results=results)
    with (
        Stopping() as stopping,
        Progress(stopping) as progress,
        closing(run(load_grid("demo"), catalog, options, stopping)) as events,
    ):
        for event in events:
            progress.show(event)
            if isinstance(event, Opened):
                folder = event.folder
        interrupted = stopping.draining
    if folder is None:
        return
    path, told = _written(results, folder.name, lang, catalog)
    if as_json:
        click.echo(json.dumps({"schema": 1, "run": folder.name, "page": str(path), "told": told}, ensure_ascii=False))
    else:
        tell("\n".join([*told, "", f"→ {path}"]), hanging=2)
        if not no_open and sys.stdout.isatty() and _has_screen():
            webbrowser.open(path.resolve().as_uri())
    ctx.exit(130 if interrupted else 0)


def _written(results: Path, name: str, lang: str, catalog: plugins.Catalog) -> tuple[Path, list[str]]:
    """The page's file, and in its language what it says of who solved the task."""
    from harness import store
    from harness.demo import sentences
    from harness.demo.page import language_of, write_page
    from harness.demo.story import tell

    view = store.read_run(results, name)
    story = tell(view, catalog)
    say = language_of(story, lang).plain
    told = [say(one.key, **one.values) for one in (*sentences.solving(story), sentences.verdict(story))]
    return write_page(story, lang, view.folder), [say(sentences.headline(story)), *told]


def _has_screen() -> bool:
    """Whether a window can be opened: a browser within the terminal would take it over."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
