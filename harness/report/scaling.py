"""How the memory between forward and backward grows with T, B and H: fitted to the sizes that a trial weighed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from harness import statistics
from harness.record import Record
from harness.report.rows import NAN, frame, placed
from harness.store import RunView

Numbers = NDArray[np.float64]
TERMS = ("TBH", "TB", "BH", "HH", "T", "1")
"""What a layer can keep: activations, inputs, states, packed weights, a step's bookkeeping, the rest."""
FEWEST_SIZES = len(TERMS) + 2
"""With fewer, hardly anything is left over to tell by how well the terms describe it."""
WORST_PREDICTION = 0.05
"""A fit to the other sizes that misses the trial's own by more describes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Numbers kept by term, `numbers["TBH"]` for each T·B·H and so on: those terms that stand, and no others.

    `errors`: the half width of each one's 95 % interval. `residual`: the largest relative error of the fit over
    `sizes` sizes; `prediction`: the relative error with which a fit to all the others predicts the trial's own size.
    """

    numbers: dict[str, float]
    errors: dict[str, float]
    residual: float
    prediction: float
    sizes: int

    def kept(self, length: int, batch: int, hidden: int) -> float:
        """Predicts how many numbers are kept at another size."""
        (row,) = _terms(np.array([[length, batch, hidden]]), tuple(self.numbers))
        return float(row @ list(self.numbers.values()))


def growth(weighed: NDArray[np.int64], itemsize: float) -> Growth | None:
    """What the sizes support. `weighed`: [k, 4], T, B, H and bytes, the trial's own size last.

    None where there are fewer than `FEWEST_SIZES`, where they do not tell the terms apart, as with T = 1, and where no
    term stands.
    """
    sizes, kept = weighed[:, :3], weighed[:, 3].astype(float)
    if len(weighed) < FEWEST_SIZES or not (kept > 0).all() or not _identifies(sizes[:-1], kept[:-1]):
        return None
    names, found, errors = _fit(sizes, kept)
    if (np.abs(found) <= errors).any():
        return None
    others, of_others, _ = _fit(sizes[:-1], kept[:-1])
    return Growth(
        numbers=dict(zip(names, found / itemsize, strict=True)),
        errors=dict(zip(names, errors / itemsize, strict=True)),
        residual=float(np.abs(_terms(sizes, names) @ found / kept - 1).max()),
        prediction=abs(float((_terms(sizes[-1:], others) @ of_others)[0]) / kept[-1] - 1),
        sizes=len(weighed),
    )


def _fit(sizes: NDArray[np.int64], kept: Numbers) -> tuple[tuple[str, ...], Numbers, Numbers]:
    """The terms that stand, their bytes and the half widths of their intervals, by least relative squares.

    A term that is not larger than its own error is taken out, the one that is least so first, and the rest is fitted
    again: what is left out adds nothing that can be told from nothing, and would blur what is left in. One may be
    negative: what is kept at every step but the first is T·B·H − B·H.
    """
    names: tuple[str, ...] = TERMS
    while True:
        found, errors = _least_squares(_terms(sizes, names) / kept[:, None], 1 / kept)
        weakest = int(np.argmin(np.abs(found) / errors))
        if abs(found[weakest]) > errors[weakest] or len(names) == 1:
            return names, found, errors
        names = (*names[:weakest], *names[weakest + 1 :])


def _least_squares(design: Numbers, byte: Numbers) -> tuple[Numbers, Numbers]:
    """Coefficients with which every row sums to 1, and Student's half widths. `byte`: the relative size of one byte.

    No fit is taken to be better than a byte a size.
    """
    scale = np.linalg.norm(design, axis=0)
    scaled = design / scale
    found = np.linalg.lstsq(scaled, np.ones(len(scaled)))[0]
    freedom = len(scaled) - scaled.shape[1]
    variance = max(float(((scaled @ found - 1) ** 2).sum()) / freedom, float((byte**2).mean()))
    errors = np.sqrt(variance * np.diag(np.linalg.inv(scaled.T @ scaled)))
    return found / scale, float(stats.t.ppf((1 + statistics.LEVEL) / 2, freedom)) * errors / scale


def _identifies(sizes: NDArray[np.int64], kept: Numbers) -> bool:
    """Whether these sizes tell all terms apart."""
    design = _terms(sizes, TERMS) / kept[:, None]
    return int(np.linalg.matrix_rank(design / np.linalg.norm(design, axis=0), tol=1e-6)) == len(TERMS)


def _terms(sizes: NDArray[np.int64], names: tuple[str, ...]) -> Numbers:
    """[k, terms]: what each term is at each size, T, B and H."""
    T, B, H = sizes.astype(float).T
    values = {"TBH": T * B * H, "TB": T * B, "BH": B * H, "HH": H * H, "T": T, "1": np.ones_like(T)}
    return np.stack([values[name] for name in names], axis=1)


def growth_of(run: RunView, record: Record | None) -> Growth | None:
    """The growth that a memory trial weighed; None where its sizes are too few, or none that terms describe."""
    weighed = run.arrays(record.id).get("scaling") if record else None
    if record is None or weighed is None:
        return None
    found = growth(weighed, record.number("parameter_bytes") / record.number("parameters"))
    return found if found and found.prediction <= WORST_PREDICTION else None


def scaling(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: numbers kept for backward per T·B·H, per T·B, …, each with its error (the half width
    of a 95 % interval); NaN for a term that does not stand.

    `prediction`: the relative error with which a fit to the other sizes predicts the row's own.
    """
    rows: list[dict[str, Any]] = []
    for row, _, record in placed(run, "memory"):
        found = growth_of(run, record)
        if found is None:
            continue
        for name in TERMS:
            row[f"numbers_per_{name}"] = found.numbers.get(name, NAN)
            row[f"numbers_per_{name}_error"] = found.errors.get(name, NAN)
        rows.append(row | {"residual": found.residual, "prediction": found.prediction, "sizes": found.sizes})
    return frame(rows, "shape cell backend numbers_per_TBH residual prediction sizes")
