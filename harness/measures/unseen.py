"""Memory that the allocator's count does not see: found by what the system gives a process beyond it.

Two places where it can be: taken and given back within a step, or taken once and held from then on (a cache, a pool).
"""

import gc
from collections.abc import Callable
from dataclasses import dataclass

from harness.bench.scales import Scales, resident, settle
from harness.bench.step import Step

LEAST_BYTES, LEAST_SHARE = 4 << 20, 0.05
"""What is not seen counts from 4 MiB and 5 % of the peak on: below that, pages and the C library's own rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What a count does not say.

    `bytes`: what the system gave beyond the count, NaN where it does not say. `held`: what of the count a layer keeps
    from call to call beside weights, inputs and cotangents.
    """

    bytes: float
    held: float

    def hides(self, peak: int) -> bool:
        """Whether the count misses something worth a mark. `peak`: the count's peak of a train step."""
        return self.bytes > worth_a_mark(peak)

    def hoards(self, peak: int) -> bool:
        """Whether the layer keeps something between calls that is worth a sentence."""
        return self.held > worth_a_mark(peak)


def worth_a_mark(peak: int) -> float:
    """From how many bytes on a difference means something, beside a train step's peak."""
    return LEAST_BYTES + LEAST_SHARE * peak


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

    settle()
    before = resident()
    counted = scales.kept(work)
    settle()
    grown = resident() - before
    return made[0], Unseen(bytes=max(0.0, grown - counted), held=max(0.0, counted - made[0].resting_bytes()))


def taken_unseen(step: Step, scales: Scales, peak: int) -> float:
    """What the system gives a train step beyond the peak that was counted; NaN where it does not say."""
    step.clear()
    return max(0.0, scales.given(step.train) - peak)
