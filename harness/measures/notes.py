"""What is noted beside the timings of two sides: as values of a record, and in words, the same for every reader."""

from collections.abc import Iterator, Mapping
from math import isnan, nan
from typing import Any

import numpy as np

from harness.measures.conditions import Disturbance
from harness.measures.referee import Played
from harness.record import Measured

DENORMAL_SHARE = 1e-4
"""More denormals than this among outputs and gradients slow a step down on some processors: worth a sentence."""
CLOCKS = ("cpu_mhz_least", "cpu_mhz_most")
NOTED = (
    *("steady", "denormal_share", "versus_denormal_share", "throttled_turns", "turns"),
    *("cpu_mhz", "cpu_mhz_least", "cpu_mhz_most", "other_load", "stolen", "held_back", "disturbed"),
)
"""The names of all that is noted."""


def noted(played: Played, disturbance: Disturbance) -> dict[str, Measured]:
    """What was seen of the sides, the device and the machine. `cpu_mhz`: by pair of processes and side, the median,
    least and most; None where the system does not tell.
    """
    clocks = played.megahertz[np.isfinite(played.megahertz)]
    found = (np.median(clocks), clocks.min(), clocks.max()) if len(clocks) else (None, None, None)
    mhz = [None if clock is None else float(clock) for clock in found]
    return {
        "steady": Measured(played.steady, timed=True),
        "denormal_share": Measured(played.denormals[0]),
        "versus_denormal_share": Measured(played.denormals[1]),
        "throttled_turns": Measured(played.throttled, timed=True),
        "turns": Measured(sum(samples.size for samples in played.samples.values()), timed=True),
        "cpu_mhz": Measured(mhz[0], "MHz", timed=True),
        "cpu_mhz_least": Measured(mhz[1], "MHz", timed=True),
        "cpu_mhz_most": Measured(mhz[2], "MHz", timed=True),
        "other_load": Measured(disturbance.other_load, "cores", timed=True),
        "stolen": Measured(disturbance.stolen, timed=True),
        "held_back": Measured(disturbance.throttled, timed=True),
        "disturbed": Measured(disturbance.reason, timed=True),
    }


def notes_told(found: Mapping[str, Any], names: tuple[str, str]) -> Iterator[str]:
    """What was amiss with a side or its device, in words; `names`: of the sides. `disturbed` says it of the machine."""
    if found.get("steady") is False:
        yield "a side did not become steady in its warm-up"
    if turns := found.get("throttled_turns"):
        yield f"the device was held back (power, heat or a brake) in {turns} of {found.get('turns', '?')} turns"
    for name, share in zip(names, (found.get("denormal_share"), found.get("versus_denormal_share")), strict=True):
        if share is not None and share > DENORMAL_SHARE:
            yield (f"{100 * share:.2g} % of what {name} computes are denormal numbers, which slow some processors down")


def clock_told(found: Mapping[str, Any]) -> str:
    """At which clock the processor ran; or that the system does not tell."""
    least, most = (number if isinstance(number, float) else nan for number in map(found.get, CLOCKS))
    if isnan(least + most):
        return "clock not told"
    return f"{least:,.0f} MHz" if most - least < 1 else f"{least:,.0f} to {most:,.0f} MHz"
