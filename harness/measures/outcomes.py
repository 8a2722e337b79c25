"""Whether two sides compute the same: what their layers made of one input, compared."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.backend import Dtype

ALLOWED: Mapping[Dtype, float] = {"float64": 1e-10, "float32": 1e-4}
"""‖Δ‖ ÷ ‖ours‖, by number format: what rounding in another order may grow to over a long sequence."""
ALLOWED_COARSELY = 5e-2
"""The same for formats of few digits: twice what the gate allows one side, and a quarter."""

Outcome = Mapping[str, NDArray[Any]]


def difference(ours: Outcome, theirs: Outcome, dtype: Dtype) -> str:
    """The first quantity, in the order of computation, that differs by more than rounding; "" where none does."""
    allowed = ALLOWED.get(dtype, ALLOWED_COARSELY)
    for name in dict.fromkeys([*ours, *theirs]):
        one, other = ours.get(name), theirs.get(name)
        if one is None or other is None:
            return f"only {'the first' if other is None else 'the second'} has {name}"
        if one.shape != other.shape:
            return f"{name} is {list(one.shape)} and {list(other.shape)}"
        size, apart = float(np.linalg.norm(one)), float(np.linalg.norm(one - other))
        if not apart <= allowed * size:
            relative = apart / size if size else np.inf
            return f"{name} differs by {relative:.1e} of its norm (allowed {allowed:.0e})"
    return ""
