"""The balance: makes a step, warms it up, weighs it, and asks the system what the scales did not see."""

import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .scales import Scales, scales_of, weigh
from .step import Step
from .unseen import made_and_warmed, taken_unseen
from .weight import Weight

WARM_STEPS = 2
"""Steps before anything is weighed: the first ones grow the libraries' own buffers (32 MiB in OpenBLAS)."""
WEIGHINGS = 3
"""The least counts: objects of Python's own, a kilobyte or ten, fall into some of them. Two must agree."""

Make = Callable[[], Step]


def warm(step: Step) -> None:
    """What a step does before it is weighed."""
    for _ in range(WARM_STEPS):
        step.train()
        step.forward()


def kept_for_backward(step: Step, scales: Scales) -> int:
    """Bytes alive between forward and backward, the lesser of two weighings; the step has been run before."""
    step.clear()
    return min(scales.kept(step.outputs) for _ in range(2))  # an arena of Python's may fall into one of them


def weighed(make: Make, scales: Scales, verify: Callable[[], None]) -> tuple[Step, Weight]:
    """The step that `make` gives, and its weight. `verify` is called when all pools of threads exist.

    Another step must have been weighed in this process before, at another size: the libraries then have their buffers,
    and what is new belongs to this step.
    """
    step, unseen = made_and_warmed(make, warm, scales)
    verify()
    weighings = [weigh(step, scales) for _ in range(WEIGHINGS)]
    by_name = {name: [weighing[name] for weighing in weighings] for name in weighings[0]}
    least = {name: min(found) for name, found in by_name.items()}
    missed = taken_unseen(step, scales, least["train_peak_bytes"])
    return step, Weight(
        **least,
        spread_bytes=max(max(found) - least[name] for name, found in by_name.items()),
        repeatable=all(found.count(least[name]) > 1 for name, found in by_name.items()),
        unseen_bytes=missed if math.isnan(missed) else max(unseen.bytes, missed),
        held_bytes=unseen.held,
    )


class Balance:
    """Weighs a step on the scales of its device. `make` builds it, when it is asked; `other` one at another size."""

    def __init__(self, make: Make, other: Make, device: str, verify: Callable[[], None]) -> None:
        self._make, self._other, self._device, self._verify = make, other, device, verify

    def weigh(self) -> dict[str, Any] | None:
        """A `Weight` as plain data. None without scales."""
        with tempfile.TemporaryDirectory() as folder:
            scales = scales_of(self._device, Path(folder))
            if scales is None:
                return None
            step = self._other()
            warm(step)
            kept_for_backward(step, scales)  # what is first under memray shows some 9 KB more than all that follows
            return asdict(weighed(self._make, scales, self._verify)[1])
