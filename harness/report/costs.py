"""What memory says in words."""

import numpy as np
import pandas as pd

from harness.report.wording import listing, size


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
