"""How far a computed tensor may be from its reference."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import torch

from harness.backend import Dtype
from harness.conformance.cases import Array
from harness.conformance.reference import Kind, Quantity
from harness.layer import torch_dtype

Eager = Callable[[], Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What one number format may differ by.

    Elementwise |Δ| ≤ absolute + relative · |reference|, for outputs, states and their gradients; for gradients of
    parameters, which sum over T · B, ‖Δ‖ ≤ norm · ‖reference‖. Whatever exceeds that may still be `eager` times as
    wrong as the same step run eagerly in the same dtype, which is what expanding dynamics need.
    """

    relative: float
    absolute: float
    norm: float
    eager: float = 4.0


FINE: dict[Dtype, Tolerance] = {
    "float32": Tolerance(relative=1.3e-6, absolute=1e-5, norm=5e-6),
    "float64": Tolerance(relative=1e-12, absolute=1e-12, norm=1e-12),
}
"""float32: torch.nn stays within a fifth of it. float64: a thousand times its rounding, a millionth of float32's."""

COARSE_NORM = 2e-2
COARSE_EAGER = 2.0
"""bfloat16, float16 and tf32: ‖Δ‖ ≤ 2e-2 ‖reference‖ for every tensor, and at most twice the eager run's."""

TF32_PRECISION = 2.0**-10


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """How wrong a tensor is: in units of what is allowed, as ‖Δ‖/‖reference‖, and in words."""

    figure: float
    relative: float
    words: str


def deviation(found: Array, wanted: Quantity, dtype: Dtype, eager: Eager | None = None, slack: float = 1) -> Deviation:
    """Compares a tensor with its reference. `eager` computes what the eager run makes of it and is called only
    where the plain tolerance does not decide; `slack` multiplies the plain tolerance.
    """
    delta = np.where(np.isfinite(found), found - wanted.value, inf)
    size, reference = float(np.linalg.norm(delta)), float(np.linalg.norm(wanted.value))
    relative = _ratio(size, reference)
    fine = FINE.get(dtype)
    if fine is not None and wanted.kind != "gradient of a parameter":
        return _elementwise(delta, wanted, fine, eager, slack)
    if fine is None:
        allowed = _allowed_coarsely(wanted, dtype, eager) * slack
    else:
        allowed = fine.norm * reference * slack
        if size > allowed and eager is not None:
            allowed = max(allowed, fine.eager * _distance(eager(), wanted))
    words = f"differs by {relative:.1e} of its norm (allowed {_ratio(allowed, reference):.0e})"
    return Deviation(figure=_ratio(size, allowed), relative=relative, words=words)


def precision(dtype: Dtype) -> float:
    """The distance from 1 to the next number of the format; for tf32 that of a product's factors."""
    return TF32_PRECISION if dtype == "tf32" else torch.finfo(torch_dtype(dtype)).eps


def _elementwise(delta: Array, wanted: Quantity, fine: Tolerance, eager: Eager | None, slack: float) -> Deviation:
    size = np.abs(delta)
    allowed = (fine.absolute + fine.relative * np.abs(wanted.value)) * slack
    if (size > allowed).any() and eager is not None:
        allowed = np.maximum(allowed, fine.eager * _envelope(np.abs(eager() - wanted.value), wanted.kind))
    figures = size / allowed
    place = np.unravel_index(np.argmax(figures), figures.shape)
    relative = _ratio(float(np.linalg.norm(delta)), float(np.linalg.norm(wanted.value)))
    words = f"an element {wanted.value[place]:.2g} differs by {size[place]:.1e} (allowed {allowed[place]:.0e})"
    return Deviation(figure=float(figures[place]), relative=relative, words=words)


def _allowed_coarsely(wanted: Quantity, dtype: Dtype, eager: Eager | None) -> float:
    """The largest ‖Δ‖ in a format of few digits: COARSE_NORM, and COARSE_EAGER times the eager run's.

    Where the eager run itself misses COARSE_NORM, the numbers are too ill-conditioned for the format and only the
    second bound is left. On a tensor of n elements the eager run may be right by luck, which goes with 1/√n: some
    roundings are always allowed.
    """
    reference = float(np.linalg.norm(wanted.value))
    limit = COARSE_NORM * reference
    if eager is None:
        return limit
    wrong = _distance(eager(), wanted)
    roundings = precision(dtype) * (1 + 3 * wanted.value.size**-0.5) * reference
    allowed = COARSE_EAGER * wrong
    return max(allowed if wrong > limit else min(allowed, limit), roundings)


def _envelope(error: Array, kind: Kind) -> Array:
    """The eager run's largest error so far: an element alone may be right by luck.

    Errors of y grow with t, those of x's gradient towards t = 0; other tensors have no time axis.
    """
    if kind not in ("y", "gradient of x"):
        return np.full_like(error, error.max())
    per_step = error.reshape(len(error), -1).max(axis=1)
    order = slice(None, None, 1 if kind == "y" else -1)
    grown = np.maximum.accumulate(per_step[order])[order]
    return np.broadcast_to(grown.reshape(-1, 1, 1), error.shape)


def _distance(found: Array, wanted: Quantity) -> float:
    return float(np.linalg.norm(found - wanted.value))


def _ratio(a: float, b: float) -> float:
    if a == 0:
        return 0.0
    return a / b if b and not np.isnan(a) else inf
