"""Writes a report's files: tables as CSV, figures as PNG, findings and a Markdown page."""

from pathlib import Path

from harness.errors import HarnessError
from harness.report.escaping import csv_frame
from harness.report.figures import write_figures
from harness.report.findings import findings
from harness.report.markdown import as_markdown
from harness.report.tables import all_tables
from harness.store import RunView


def write_report(run: RunView, folder: Path, *, full: bool = False) -> list[Path]:
    """Writes `tables/*.csv`, `figures/*.png`, `findings.txt` and `report.md` under `folder`; returns what it wrote.

    The page shows pairs of cells and ranks only in `full`; their CSV are always there.

    Raises HarnessError where the folder cannot be written.
    """
    try:
        return _write(run, folder, full=full)
    except OSError as error:
        hint = "copy the results folder to a place of your own"
        raise HarnessError(f"cannot write the report to {folder}: {error.strerror}", hint=hint) from error


def _write(run: RunView, folder: Path, *, full: bool) -> list[Path]:
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in all_tables(run).items():
        path = folder / "tables" / f"{name}.csv"
        csv_frame(table).to_csv(path, index=False)
        written.append(path)
    figures = write_figures(run, folder / "figures")
    texts = {
        "findings.txt": "".join(f"{sentence}\n" for sentence in findings(run)),
        "report.md": as_markdown(run, figures, folder, full=full),
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")
        written.append(folder / name)
    return [*written, *figures]
