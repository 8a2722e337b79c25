"""What this machine's timings are worth: what spoils them now, and how often equal things come out as different."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from harness import machine
from harness.compare.claims import Claim
from harness.measures.conditions import DISTURBED_CORES, DISTURBED_SHARE, Conditions
from harness.noise import BLAS_PRESETS, Noise, greatest

POOL_SIZES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoiler:
    """Something that makes timings here worse, or not comparable with others; and what to do about it."""

    what: str
    hint: str


def noise_of(claims: list[Claim], fingerprint: str, threads: int) -> Noise:
    """The noise from claims about a pair beside itself."""
    detectable = [claim.detectable for claim in claims]
    return Noise(
        fingerprint=fingerprint,
        threads=threads,
        taken=datetime.now().astimezone().isoformat(timespec="minutes"),
        subject=f"{claims[0].a}, {claims[0].where}",
        verdicts=len(claims),
        false_alarms=sum(claim.verdict in ("faster", "slower") for claim in claims),
        greatest=greatest(claim.estimate.value for claim in claims),
        detectable=float(np.median(detectable)),
        worst_detectable=max(detectable),
        disturbed=sum(bool(claim.details["disturbed"]) for claim in claims),
    )


def spoilers(facts: Mapping[str, Any], seconds: float = 1.0) -> Iterator[Spoiler]:
    """What spoils timings here, watched for so many seconds."""
    before = Conditions.now()
    time.sleep(seconds)
    seen = Conditions.now().since(before)
    if seen.other_load > DISTURBED_CORES:
        yield Spoiler(what=f"other processes keep {seen.other_load:.1f} cores busy", hint="end them, or wait")
    if seen.stolen > DISTURBED_SHARE:
        yield Spoiler(what=f"the hypervisor takes {100 * seen.stolen:.0f} % of the time", hint="use another machine")

    for name in BLAS_PRESETS:
        if name in os.environ:
            hint = f"`env -u {name} harness …`; records say which BLAS kernel ran ({facts['blas']})"
            yield Spoiler(what=f"{name}={os.environ[name]} chooses a BLAS kernel by hand", hint=hint)
    for name in POOL_SIZES:
        if name in os.environ:
            yield Spoiler(what=f"{name}={os.environ[name]} is preset", hint="trials set it to their own threads")
    yield from _system()


def _system() -> Iterator[Spoiler]:
    """What the system's files say of clocks and cores."""
    governor = _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor and governor != "performance":
        hint = "ratios within a trial do not mind; times of different rows do: `cpupower frequency-set -g performance`"
        yield Spoiler(what=f"the clock's governor is {governor}", hint=hint)
    if _text("/sys/devices/system/cpu/cpufreq/boost") == "1":
        yield Spoiler(what="the processor's clock may be boosted", hint="compare ratios, not times of different rows")
    if _text("/sys/devices/system/cpu/smt/active") == "1":
        hint = "a neighbour on the same core halves its speed: leave the machine alone meanwhile"
        yield Spoiler(what="two hardware threads share a core", hint=hint)
    cores = machine.allowed_cores()
    if cores < 2:
        yield Spoiler(what="only one core may be used", hint="whatever else runs interrupts every timing")


def _text(path: str) -> str:
    try:
        return Path(path).read_text("utf-8").strip()
    except OSError:
        return ""
