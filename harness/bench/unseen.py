"""Memory that the allocator's count does not see: found by what the system gives a process beyond it.

Two places where it can be: taken and given back within a step, or taken once and held from then on (a cache, a pool).
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass

from .scales import Scales
from .step import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What a count does not say.

    `bytes`: what the system gave beyond the count, NaN where it does not say. `held`: what of the count a layer keeps
    from call to call beside weights, inputs and cotangents.
    """

    bytes: float
    held: float


def made_and_warmed(make: Callable[[], Step], warm: Callable[[Step], None], scales: Scales) -> tuple[Step, Unseen]:
    """A step made and warmed up under the scales, and what it holds from then on, counted and not counted.

    The libraries' own buffers must be there already, from a step at another size.
    """
    made: list[Step] = []

    def work() -> None:
        made.append(make())
        warm(made[0])
        made[0].clear()
        gc.collect()

    before = scales.taken()
    counted = scales.kept(work)
    grown = scales.taken() - before
    return made[0], Unseen(bytes=_least_zero(grown - counted), held=max(0.0, counted - made[0].resting_bytes()))


def taken_unseen(step: Step, scales: Scales, peak: int) -> float:
    """What the system gives a train step beyond the peak that was counted; NaN where it does not say."""
    step.clear()
    return _least_zero(scales.given(step.train) - peak)


def _least_zero(found: float) -> float:
    return max(found, 0.0)  # in this order NaN stays NaN
