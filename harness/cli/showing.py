"""Shows a run: tables and findings on standard output, where the files are on standard error."""

import json
import shutil
from collections.abc import Sequence

import click

from harness.cli.telling import NARROWEST
from harness.store import RunView


def show_report(view: RunView, *, as_json: bool, full: bool = False, formats: Sequence[str] = ("png",)) -> None:
    """Writes tables and figures into the run's folder and prints tables and findings."""
    from rich.console import Console

    from harness.report.findings import findings
    from harness.report.tables import all_tables
    from harness.report.terminal import print_report
    from harness.report.writing import write_report

    written = write_report(view, view.folder, full=full, formats=formats)
    if as_json:
        tables = {name: json.loads(table.to_json(orient="records")) for name, table in all_tables(view).items()}
        document = {"schema": 1, "run": view.name, "findings": findings(view), "tables": tables}
        click.echo(json.dumps(document, ensure_ascii=False))
    else:
        width = shutil.get_terminal_size((100, 24)).columns
        print_report(view, Console(width=max(NARROWEST, width)), full=full)
    page = view.folder / "report.html"
    click.echo(f"\n{len(written)} files in {view.folder}; to read and to show: {page}", err=True)
