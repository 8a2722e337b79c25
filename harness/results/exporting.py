"""Results for other programs: records as CSV, Parquet or JSON; a run's tables as LaTeX."""

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from harness import canonical, journal, store
from harness.errors import HarnessError

if TYPE_CHECKING:
    import pandas as pd

    from harness.report.shown import Shown

Format = Literal["csv", "parquet", "latex", "json"]


def export(results: Path, kind: Format, output: Path | None, run: str | None) -> str:
    """The text of an export; with `output` it is written there, and "" returned.

    CSV, Parquet and JSON have a row a record, of one run or of all; LaTeX has a run's tables, of the newest by
    default. Raises HarnessError where there is nothing to export, pyarrow is missing or the file cannot be written.
    """
    if kind == "parquet":
        return _parquet(_frame(results, run), output)
    if kind == "latex":
        text = latex(results, run)
    elif kind == "csv":
        from harness.report.escaping import csv_frame

        text = csv_frame(_frame(results, run)).to_csv(index=False)
    else:
        text = records_json(results, run)
    if output is None:
        return text
    with store.in_words(output):
        journal.put(output, [text.encode()])
    return ""


def records_json(results: Path, run: str | None = None) -> str:
    """One JSON object, a row a record; NaN and infinities are written {"$float": "nan"}, as everywhere in a store."""
    from harness.report.frame import rows

    found = [row for row in rows(results) if run in (None, row["run"])]
    return json.dumps({"schema": 1, "records": canonical.encode(found)}, ensure_ascii=False, allow_nan=False) + "\n"


def latex(results: Path, run: str | None = None) -> str:
    """A run's tables in the manner of the package booktabs, each a `table` with its title as caption."""
    from harness.report.layout import shown_tables

    tables = ["\n".join(_latex_table(shown)) for shown in shown_tables(store.read_run(results, run), full=True)]
    return "% needs \\usepackage{amssymb,booktabs,textcomp}\n\n" + "\n\n".join(tables) + "\n"


def _latex_table(shown: "Shown") -> Iterator[str]:
    from harness.report.escaping import latex_text

    yield r"\begin{table}"
    yield rf"  \caption{{{latex_text(shown.title)}}}"
    yield rf"  \begin{{tabular}}{{l{'r' * (len(shown.columns) - 1)}}}"
    yield r"    \toprule"
    yield "    " + " & ".join(map(latex_text, shown.columns)) + r" \\"
    yield r"    \midrule"
    for row in shown.rows:
        yield "    {}" + " & ".join(map(latex_text, row)) + r" \\"  # a row that begins with [ were else an option
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    if shown.note:
        yield rf"  \par\smallskip\footnotesize {latex_text(shown.note)}"
    yield r"\end{table}"


def _frame(results: Path, run: str | None) -> "pd.DataFrame":
    from harness.report.frame import load_frame

    found = load_frame(results)
    return found if run is None else found[found["run"] == run]


def _parquet(frame: "pd.DataFrame", output: Path | None) -> str:
    if output is None:
        raise HarnessError("wanted a file for parquet, found none", hint="add --output records.parquet")
    if importlib.util.find_spec("pyarrow") is None:
        raise HarnessError("wanted pyarrow to write parquet, found none", hint="pip install 'cell-harness[parquet]'")
    content = frame.apply(_of_one_type).to_parquet(index=False)
    with store.in_words(output):
        journal.put(output, [content])
    return ""


def _of_one_type(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """A column as it is where its values are of one type, or all numbers; otherwise each as text."""
    present = column.notna()
    kinds = {type(value) for value in column[present]}
    if len(kinds) <= 1:
        return column
    return column.astype(float) if kinds <= {int, float} else column[present].map(str).reindex(column.index)
