"""Trying a layer on one shape: what it computes beside what it should."""

from dataclasses import dataclass, replace

import numpy as np

from harness.backend import Backend, Dtype, LayerPlan
from harness.cell import Cell
from harness.conformance.cases import Array, Case, Inputs
from harness.conformance.gate import build_layer, compare, prepare
from harness.conformance.reference import Objection, Outcome, eager, run
from harness.conformance.tolerance import Deviation

GROUPS = {
    "y": "outputs",
    "final": "outputs",
    "gradient of x": "gradients",
    "gradient of a state": "gradients",
    "gradient of a parameter": "parameter gradients",
}
"""Which check a quantity belongs to, by its kind."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One shape: the inputs, what the equation makes of them and what the layer does."""

    case: Case
    inputs: Inputs
    wanted: Outcome
    found: Outcome
    deviations: tuple[Deviation, ...]

    def worst(self, check: str) -> int | None:
        """The place of the quantity that fails a check worst; None where none does."""
        failing = [
            (found.figure, place)
            for place, (quantity, found) in enumerate(zip(self.wanted, self.deviations, strict=True))
            if GROUPS[quantity.kind] == check and not found.figure <= 1
        ]
        return max(failing)[1] if failing else None

    def element(self, place: int) -> str:
        """The worst element of a quantity: its index, what was wanted and found."""
        wanted = self.wanted[place]
        return worst_element(wanted.name, self.found[place].value, wanted.value)


def attempt(cell: Cell, backend: Backend, case: Case, dtype: Dtype = "float32", device: str = "cpu") -> Trial | None:
    """A pair on one shape; None where altered weights leave the numbers that float64 has. Raises Objection."""
    plan = LayerPlan(inputs=case.I, hidden=case.H, device=device, dtype=dtype)
    inputs, wanted = prepare(cell, case, dtype)
    if wanted is None:
        return None
    layer = build_layer(cell, backend, plan, inputs)
    found = run(cell, layer, dict(layer.named_parameters()), inputs, plan)
    compared = compare(found, wanted, case, dtype, lambda: eager(cell, inputs, plan))
    deviations = tuple(one.deviation for one in compared)
    return Trial(case=case, inputs=inputs, wanted=wanted, found=found, deviations=deviations)


def smallest(cell: Cell, backend: Backend, failing: Trial, check: str, dtype: Dtype = "float32") -> Trial:
    """A shape that still fails the check, of which no length can be lessened without its passing."""
    found, lessened = failing, True
    while lessened:
        lessened = False
        for name in ("T", "B", "H", "I"):
            size = getattr(found.case, name)
            for less in dict.fromkeys((1, 2, size // 2, size - 1)):
                if not 0 < less < size:
                    continue
                smaller = _fails(cell, backend, replace(found.case, **{name: less}), check, dtype)
                if smaller is not None:
                    found, lessened = smaller, True
                    break
    return found


def _fails(cell: Cell, backend: Backend, case: Case, check: str, dtype: Dtype) -> Trial | None:
    try:
        found = attempt(cell, backend, case, dtype)
    except Objection:
        return None
    return found if found is not None and found.worst(check) is not None else None


def worst_element(name: str, found: Array, wanted: Array) -> str:
    """Where two arrays of one shape are furthest apart: the index, what was wanted and what was found there."""
    with np.errstate(invalid="ignore"):  # infinity less infinity
        apart = np.abs(found - wanted)
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(np.isnan(apart), np.inf, apart)), apart.shape))
    at = f"[{', '.join(map(str, index))}]" if index else ""
    return f"{name}{at}: wanted {wanted[index]:.6g}, found {found[index]:.6g}"


def close(found: Array, wanted: Array) -> bool:
    """Whether two arrays are the same but for rounding in float32."""
    if found.shape != wanted.shape or not np.isfinite(found).all():
        return False
    return bool(np.abs(found - wanted).max(initial=0) <= 1e-4 * max(1.0, float(np.abs(wanted).max(initial=0))))
