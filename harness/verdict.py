"""From an interval to a word: faster, slower, same or undecided."""

import math
from enum import StrEnum

from harness.statistics import Estimate

MARGIN = {"cpu": 0.02, "cuda": 0.01}
"""By device, the difference that nobody needs to care about: an interval within it is `same`."""


class Verdict(StrEnum):
    """What may be said of a side beside another one."""

    FASTER = "faster"
    SLOWER = "slower"
    SAME = "same"
    UNDECIDED = "undecided"


def judge(speedup: Estimate, margin: float, noise: float = 0.0) -> Verdict:
    """The verdict on a speed-up. `margin` and `noise` are relative, 0.02 is 2 %.

    `same`: the whole interval lies from 1/(1 + margin) to 1 + margin, be it beside 1; else faster or slower where it
    lies beyond 1 by more than the noise, the greatest difference that equals have shown on this machine; else
    undecided, as is what is not finite.
    """
    if not (speedup.low > 0 and math.isfinite(speedup.high)):
        return Verdict.UNDECIDED
    if 1 / (1 + margin) <= speedup.low and speedup.high <= 1 + margin:
        return Verdict.SAME
    if speedup.low > 1 + noise:
        return Verdict.FASTER
    return Verdict.SLOWER if speedup.high * (1 + noise) < 1 else Verdict.UNDECIDED


def findable(detectable: float, noise: float) -> float:
    """The least relative difference that `judge` would call one as often as `detectable` would show beside no noise."""
    return (1 + detectable) * (1 + noise) - 1
