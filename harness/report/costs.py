"""Memory as a table and in words; what the count misses is marked and said."""

import math

import numpy as np
import pandas as pd

from harness.report.rows import NAN, Row, frame, number, placed, provenance, value
from harness.report.scaling import Growth, growth_of
from harness.report.wording import NOTHING, listing, size
from harness.report.wording import number as figure
from harness.store import RunView

BYTES = ("train_peak", "forward_peak", "activation", "parameter", "spread", "unseen", "held")
MARKS = ("repeatable", "hides", "hoards")
SHOWN_ERROR = 0.005
NUMBERS = ["numbers_per_TBH", "numbers_per_TBH_error"]


def memory(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: the peaks of a train step and of a forward pass, and what is held; bytes.

    `numbers_per_TBH`: how many numbers a layer keeps for backward for each T·B·H, fitted over several sizes, with its
    error, and how well a fit to the other sizes predicts this one; NaN where the sizes do not tell. `hides`: the system
    gave more than was counted, `unseen_bytes`; `hoards`: the layer keeps `held_bytes` between calls.
    """
    rows = []
    for row, _, record in placed(run, "memory"):
        row |= {f"{name}_bytes": number(record, f"{name}_bytes") for name in BYTES}
        more = {name: value(record, name) for name in MARKS} | _per_tbh(growth_of(run, record))
        rows.append(row | more | provenance(run, record))
    return frame(rows, "shape cell backend status")


def numbers_told(kept: float, error: float) -> str:
    """Numbers for each T·B·H, and their error where the second decimal shows it: 6.00 · 16.4±0.3; a dash for NaN."""
    if not math.isfinite(kept):
        return NOTHING
    if error < SHOWN_ERROR:
        return f"{kept:.2f}"
    decimals = max(0, -math.floor(math.log10(error)))
    return f"{kept:.{decimals}f}±{error:.{decimals}f}"


def _per_tbh(growth: Growth | None) -> Row:
    if growth is None or "TBH" not in growth.numbers:
        return dict.fromkeys(("numbers_per_TBH", "numbers_per_TBH_error", "prediction"), NAN)
    return {
        "numbers_per_TBH": growth.numbers["TBH"],
        "numbers_per_TBH_error": growth.errors["TBH"],
        "prediction": growth.prediction,
    }


def memory_findings(table: pd.DataFrame) -> list[str]:
    """The smallest peak of a train step, by cell; what is kept; what the count misses.

    Who hides memory from the count is compared with nobody.
    """
    told = []
    for shape, rows in table.groupby("shape", sort=False):
        done = rows[np.isfinite(rows["train_peak_bytes"]) & (rows["hides"] != True)]  # noqa: E712 -- a column of objects
        if done.empty:
            continue
        least = done.loc[done.groupby("cell", sort=False)["train_peak_bytes"].idxmin()]
        parts = [
            f"{row['cell']} {size(float(row['train_peak_bytes']))} ({row['backend']})" for _, row in least.iterrows()
        ]
        among = ", of those that hide nothing" if len(done) < np.isfinite(rows["train_peak_bytes"]).sum() else ""
        told.append(f"The smallest peak of a train step at {shape}{among}, by cell: {listing(parts)}.")
        told += _kept(done)
    return told + _marks(table)


def _kept(done: pd.DataFrame) -> list[str]:
    """Who keeps least for backward, in numbers per T·B·H."""
    fitted = done[np.isfinite(done["numbers_per_TBH"])]
    if fitted.empty:
        return []
    numbers = fitted["numbers_per_TBH"].astype(float).round(6)  # fits of equals differ in their last bits
    rows = fitted.assign(numbers=numbers).sort_values(["numbers", "backend"]).groupby("cell", sort=False)
    parts = [
        f"{cell} "
        + " · ".join(f"{numbers_told(*r[NUMBERS].astype(float))} ({r['backend']})" for _, r in of_cell.iterrows())
        for cell, of_cell in rows
    ]
    worst = figure(max(0.01, 100 * float(fitted["prediction"].max())), 2)
    return [
        f"Numbers kept for backward for each T·B·H: {listing(parts)}; fitted to the other sizes alone, they predict "
        f"what is kept here to within {worst} %."
    ]


def _marks(table: pd.DataFrame) -> list[str]:
    """The rows whose count is not the whole truth."""
    told = []
    for _, row in table.iterrows():
        pair = f"{row['cell']}@{row['backend']} at {row['shape']}"
        if row.get("hides") is True:
            unseen = size(float(row["unseen_bytes"]))
            told.append(f"{pair}: the system gave it {unseen} more than was counted; its figures are too low.")
        if row.get("hoards") is True:
            told.append(f"{pair} keeps {size(float(row['held_bytes']))} from call to call, beside weights and inputs.")
        if row.get("repeatable") is False:
            told.append(f"{pair}: no two weighings agreed; the least one is shown.")
    unchecked = int((table["hides"].notna() & table["unseen_bytes"].isna()).sum()) if len(table) else 0
    if unchecked:
        told.append(f"Whether the count misses something, the system does not say of {unchecked} of {len(table)} rows.")
    return told
