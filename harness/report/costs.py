"""What speed and memory say in words."""

import math

import numpy as np
import pandas as pd

from harness.report.wording import bracketed, count, listing, number, size


def speed_findings(table: pd.DataFrame) -> list[str]:
    """Train steps: a backend is called faster or slower only where the whole interval lies beyond the noise.

    The noise of a shape is how far a baseline timed against itself came out from 1.
    """
    told = []
    for shape, rows in table.groupby("shape", sort=False):
        done = rows[rows["status"] == "ok"]
        itself = done[done["backend"] == done["versus"]]
        others = done[done["backend"] != done["versus"]]
        noise = _noise(itself)
        for (backend, versus), against in others.groupby(["backend", "versus"], sort=False):
            told += _against(against, str(backend), f"{versus} at {shape}", noise)
        if len(itself):
            names = listing(dict.fromkeys(itself["versus"]))
            percent = number(100 * math.expm1(noise), 2)
            told.append(f"The noise at {shape}: timed against itself, {names} came out within {percent} % of 1.")
    return told


def memory_findings(table: pd.DataFrame) -> list[str]:
    """The smallest peak of a train step, by cell."""
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
    return told


def _noise(itself: pd.DataFrame) -> float:
    """The largest |log speed-up| of a baseline against itself; 0 where none was timed."""
    found = [abs(math.log(x)) for x in itself["train_speedup"] if x > 0 and math.isfinite(x)]
    return max(found, default=0.0)


def _against(rows: pd.DataFrame, backend: str, versus: str, noise: float) -> list[str]:
    faster, slower, undecided = [], [], []
    for _, row in rows.iterrows():
        value, low, high = (float(row[f"train_speedup{end}"]) for end in ("", "_low", "_high"))
        if not 0 < value < math.inf:
            continue
        if low > math.exp(noise):
            faster.append(f"{row['cell']} {bracketed(value, low, high, '×')}")
        elif 0 < high < math.exp(-noise):
            slower.append(f"{row['cell']} {bracketed(1 / value, 1 / high, 1 / low if low > 0 else math.inf, '×')}")
        else:
            undecided.append(f"{row['cell']} {bracketed(value, low, high, '×')}")
    basis = f"(n = {count(rows['pairs'].min())} pairs of processes, 95 % each)"
    told = [f"{backend} trains {listing(faster)} faster than {versus} {basis}."] if faster else []
    told += [f"{backend} trains {listing(slower)} slower than {versus} {basis}."] if slower else []
    told += [f"Undecided between {backend} and {versus}: {listing(undecided)} {basis}."] if undecided else []
    return told
