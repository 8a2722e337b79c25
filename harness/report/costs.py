"""Memory as a table and in words; what the count misses is marked and said."""

import numpy as np
import pandas as pd

from harness.report.rows import NAN, frame, number, placed, value
from harness.report.scaling import growth_of
from harness.report.wording import listing, size
from harness.report.wording import number as figure
from harness.store import RunView

BYTES = ("train_peak", "forward_peak", "activation", "parameter", "unseen", "held")


def memory(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: the peaks of a train step and of a forward pass, and what is held; bytes.

    `numbers_per_TBH`: how many numbers a layer keeps for backward for each T·B·H, fitted over several sizes. `hides`:
    the system gave more than was counted, `unseen_bytes`; `hoards`: the layer keeps `held_bytes` between calls.
    """
    rows = []
    for row, _, record in placed(run, "memory"):
        growth = growth_of(run, record)
        row |= {f"{name}_bytes": number(record, f"{name}_bytes") for name in BYTES}
        row |= {"numbers_per_TBH": growth.numbers["TBH"] if growth else NAN}
        rows.append(row | {name: value(record, name) for name in ("repeatable", "hides", "hoards")})
    return frame(rows, "shape cell backend status")


def memory_findings(table: pd.DataFrame) -> list[str]:
    """The smallest peak of a train step, by cell; what is kept; what the count misses."""
    told = []
    for shape, rows in table.groupby("shape", sort=False):
        done = rows[np.isfinite(rows["train_peak_bytes"])]
        if done.empty:
            continue
        least = done.loc[done.groupby("cell", sort=False)["train_peak_bytes"].idxmin()]
        parts = [
            f"{row['cell']} {size(float(row['train_peak_bytes']))} ({row['backend']})" for _, row in least.iterrows()
        ]
        told.append(f"The smallest peak of a train step at {shape}, by cell: {listing(parts)}.")
        told += _kept(done)
    return told + _marks(table)


def _kept(done: pd.DataFrame) -> list[str]:
    """Who keeps least for backward, in numbers per T·B·H."""
    fitted = done[np.isfinite(done["numbers_per_TBH"])]
    if fitted.empty:
        return []
    rows = fitted.sort_values("numbers_per_TBH").groupby("cell", sort=False)
    parts = [
        f"{cell} {' · '.join(f'{figure(r.numbers_per_TBH, 2)} ({r.backend})' for r in of_cell.itertuples())}"
        for cell, of_cell in rows
    ]
    return [f"Numbers kept for backward for each T·B·H: {listing(parts)}."]


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
    return told
