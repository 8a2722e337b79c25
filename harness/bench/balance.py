"""The balance: makes a step, warms it up and weighs it, inside a worker."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from .scales import scales_of, weigh
from .step import Step

WARM_STEPS = 2
"""Steps before anything is weighed: the first ones grow the libraries' own buffers (32 MiB in OpenBLAS)."""


def warm(step: Step) -> None:
    """What a step does before it is weighed."""
    for _ in range(WARM_STEPS):
        step.train()
        step.forward()


class Balance:
    """Weighs a step on the scales of its device; `make` builds it, when it is asked."""

    def __init__(self, make: Callable[[], Step], device: str) -> None:
        self._make, self._device = make, device

    def weigh(self) -> dict[str, int] | None:
        """Bytes by name, the second of two weighings: the first one shows some 9 KB more. None without scales."""
        step = self._make()
        warm(step)
        with tempfile.TemporaryDirectory() as folder:
            scales = scales_of(self._device, Path(folder))
            if scales is None:
                return None
            weigh(step, scales)
            return weigh(step, scales)
