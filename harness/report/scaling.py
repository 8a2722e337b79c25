"""How the memory between forward and backward grows with T, B and H: fitted to the sizes that a trial weighed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize

from harness.record import Record
from harness.report.rows import frame, placed
from harness.store import RunView

TERMS = ("TBH", "TB", "BH", "HH", "T", "1")
"""What a layer can keep: activations, inputs, states, packed weights, a step's bookkeeping, the rest."""
FEWEST_SIZES = 4
"""With fewer, the terms cannot be told apart."""
WORST_RESIDUAL = 0.05
"""A fit that misses a size by more describes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Numbers kept by term, `numbers["TBH"]` for each T·B·H and so on.

    `residual`: the largest relative error of the fit over `sizes` sizes.
    """

    numbers: dict[str, float]
    residual: float
    sizes: int


def growth(weighed: NDArray[np.int64], itemsize: float) -> Growth | None:
    """The least relative squares with no negative term. `weighed`: [k, 4], T, B, H and bytes; None below four sizes."""
    if len(weighed) < FEWEST_SIZES:
        return None
    T, B, H, kept = weighed.astype(float).T
    terms = np.stack([T * B * H, T * B, B * H, H * H, T, np.ones_like(T)], axis=1)
    found, _ = optimize.nnls(terms / kept[:, None], np.ones_like(kept))
    residual = float(np.abs(terms @ found / kept - 1).max())
    numbers = {name: float(value) / itemsize for name, value in zip(TERMS, found, strict=True)}
    return Growth(numbers=numbers, residual=residual, sizes=len(weighed))


def growth_of(run: RunView, record: Record | None) -> Growth | None:
    """The growth that a memory trial weighed; None where it has too few sizes, or none that terms describe."""
    weighed = run.arrays(record.id).get("scaling") if record else None
    if record is None or weighed is None:
        return None
    found = growth(weighed, record.number("parameter_bytes") / record.number("parameters"))
    return found if found and found.residual <= WORST_RESIDUAL else None


def scaling(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: numbers kept for backward per T·B·H, per T·B, …, and how well the fit holds."""
    rows = []
    for row, _, record in placed(run, "memory"):
        found = growth_of(run, record)
        if found is not None:
            kept = {f"numbers_per_{name}": value for name, value in found.numbers.items()}
            rows.append(row | kept | {"residual": found.residual, "sizes": found.sizes})
    return frame(rows, "shape cell backend numbers_per_TBH residual sizes")
