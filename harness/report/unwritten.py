"""Cells without an equation: marked in every table, for nothing but their own module says what they compute."""

import re
from dataclasses import replace

from harness.report.shown import Remark, Shown
from harness.store import RunView

MARK = " °"
REMARK = Remark("°: no equation; the gate held the module against itself.")
COLUMNS = ("cell", "pair")


def unwritten(run: RunView) -> set[str]:
    """The names of the run's cells that are modules."""
    gates = (record for record in run.records.values() if record.trial.measure == "conformance")
    return {record.trial.cell.name for record in gates if record.number("equation") == 0}


def marked(table: Shown, names: set[str]) -> Shown:
    """The table with a mark behind each of those cells, and a remark that explains it."""
    places = [place for place, column in enumerate(table.columns) if column in COLUMNS]
    rows = tuple(
        tuple(_marked(text, names) if place in places else text for place, text in enumerate(row)) for row in table.rows
    )
    return table if rows == table.rows else replace(table, rows=rows, remarks=(*table.remarks, REMARK))


def _marked(text: str, names: set[str]) -> str:
    return text + MARK if re.split(r"[\[@ ]", text, maxsplit=1)[0] in names else text
