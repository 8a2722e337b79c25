"""`harness report`: a run's tables and findings, again."""

from pathlib import Path

import click

from harness import store
from harness.cli.options import full_option, json_option, results_option
from harness.cli.showing import show_report
from harness.errors import HarnessError

FORMATS = ("png", "svg", "pdf")


@click.command(name="report")
@click.argument("run", required=False)
@results_option
@full_option
@click.option(
    "--figures",
    default="png",
    show_default=True,
    callback=lambda _ctx, _option, text: figure_formats(text),
    help="In which formats: a list out of png, svg, pdf.",
)
@json_option
def command(run: str | None, results: Path, full: bool, figures: tuple[str, ...], as_json: bool) -> None:
    """Show a run's tables and findings; write pages, CSV and figures.

    RUN is a folder's name under results/runs, the newest by default.
    """
    show_report(store.read_run(results, run), as_json=as_json, full=full, formats=figures)


def figure_formats(text: str) -> tuple[str, ...]:
    """`png,svg` → ("png", "svg"); png is always among them, for report.md shows it. Raises HarnessError for others."""
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    for part in wanted:
        if part not in FORMATS:
            raise HarnessError(f"--figures: wanted some of {', '.join(FORMATS)}, found {part!r}")
    return tuple(dict.fromkeys(("png", *wanted)))
