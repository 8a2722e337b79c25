"""Writes a report's files: tables as CSV, figures as PNG, findings and a Markdown page."""

from collections.abc import Sequence
from pathlib import Path

from harness.errors import HarnessError
from harness.report.escaping import csv_frame
from harness.report.figures import draw_figures, write_figures
from harness.report.layout import content_of
from harness.report.markdown import as_markdown
from harness.report.page import as_page
from harness.report.tables import all_tables
from harness.store import RunView


def write_report(run: RunView, folder: Path, *, full: bool = False, formats: Sequence[str] = ("png",)) -> list[Path]:
    """Writes `tables/*.csv`, `figures/*`, `findings.txt`, `report.md` and `report.html` under `folder`; returns them.

    `formats` of the figures: png, which report.md shows, svg, pdf. The pages show pairs of cells and ranks only in
    `full`; their CSV are always there.

    Raises HarnessError where the folder cannot be written.
    """
    try:
        return _write(run, folder, formats, full=full)
    except OSError as error:
        hint = "copy the results folder to a place of your own"
        raise HarnessError(f"cannot write the report to {folder}: {error.strerror}", hint=hint) from error


def _write(run: RunView, folder: Path, formats: Sequence[str], *, full: bool) -> list[Path]:
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in all_tables(run).items():
        path = folder / "tables" / f"{name}.csv"
        csv_frame(table).to_csv(path, index=False)
        written.append(path)
    drawn = draw_figures(run)
    figures = write_figures(drawn, folder / "figures", formats)
    content, pictures = content_of(run, full=full), [path for path in figures if path.suffix == ".png"]
    texts = {
        "findings.txt": "".join(f"{sentence}\n" for sentence in content.sentences),
        "report.md": as_markdown(run, pictures, folder, content),
        "report.html": as_page(run, drawn, content),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
        written.append(folder / name)
    return [*written, *figures]
