"""What else the machine did during a measurement: noted beside the figures, never used to drop one."""

import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

DISTURBED_CORES = 0.3
"""Other processes that keep more of a core busy than this disturb a timing."""
DISTURBED_SHARE = 0.02
"""So does a hypervisor or a quota that takes more of the time than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What was seen between two moments. `other_load`: cores that processes not ours kept busy, NaN where the system
    does not say; `stolen`: share of the time the hypervisor kept; `throttled`: share of the time a quota held us.
    """

    seconds: float
    other_load: float
    stolen: float
    throttled: float

    @property
    def reason(self) -> str:
        """What disturbed the measurement, in words; empty where nothing did."""
        told = []
        if self.other_load > DISTURBED_CORES:
            told.append(f"other processes kept {self.other_load:.1f} cores busy")
        if self.stolen > DISTURBED_SHARE:
            told.append(f"the hypervisor took {100 * self.stolen:.0f} % of the time")
        if self.throttled > DISTURBED_SHARE:
            told.append(f"a quota stopped the processes for {100 * self.throttled:.0f} % of the time")
        return "; ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Running totals of this machine at one moment, in seconds; NaN where the system does not keep them.

    `busy` and `stolen` over all cores; `own`: processor time of this process and of those it has waited for.
    """

    clock: float
    busy: float
    stolen: float
    own: float
    throttled: float

    @classmethod
    def now(cls) -> "Conditions":
        """Reads /proc and the control group; 0.1 ms."""
        times = os.times()
        busy, stolen = _processors()
        return cls(
            clock=time.monotonic(),
            busy=busy,
            stolen=stolen,
            own=times.user + times.system + times.children_user + times.children_system,
            throttled=_throttled(),
        )

    def since(self, before: "Conditions") -> Disturbance:
        """What happened from `before` until this moment."""
        seconds = max(self.clock - before.clock, 1e-9)
        other = (self.busy - before.busy) - (self.own - before.own)
        return Disturbance(
            seconds=seconds,
            other_load=float(max(0.0, other / seconds)) if math.isfinite(other) else math.nan,
            stolen=(self.stolen - before.stolen) / seconds,
            throttled=(self.throttled - before.throttled) / seconds,
        )


def quiet_cores(seconds: float = 0.1) -> list[int]:
    """The cores this process may use that others use least now: all within a fifth of the idlest one."""
    if not hasattr(os, "sched_getaffinity"):
        return []
    allowed = sorted(os.sched_getaffinity(0))
    before = _busy_by_core()
    time.sleep(seconds)
    after = _busy_by_core()
    busy = {core: after.get(core, 0.0) - before.get(core, 0.0) for core in allowed}
    return [core for core in allowed if busy[core] <= min(busy.values()) + seconds / 5]


def _processors() -> tuple[float, float]:
    """Seconds all cores were busy, and seconds the hypervisor kept; NaN off Linux."""
    for line in _lines("/proc/stat"):
        if line.startswith("cpu "):
            return _busy(line), int(line.split()[8]) / os.sysconf("SC_CLK_TCK")
    return math.nan, math.nan


def _busy_by_core() -> dict[int, float]:
    return {
        int(line.split()[0][3:]): _busy(line)
        for line in _lines("/proc/stat")
        if line.startswith("cpu") and line[3].isdigit()
    }


def _busy(line: str) -> float:
    """User, nice, system, interrupts: the first three counts and the sixth and seventh of a line of /proc/stat."""
    counts = [int(part) for part in line.split()[1:8]]
    return (counts[0] + counts[1] + counts[2] + counts[5] + counts[6]) / os.sysconf("SC_CLK_TCK")


def _throttled() -> float:
    """Seconds the control group's quota has held its processes back, version 2 or 1; 0 where there is none."""
    for path, name, unit in (
        ("/sys/fs/cgroup/cpu.stat", "throttled_usec", 1e-6),
        ("/sys/fs/cgroup/cpu/cpu.stat", "throttled_time", 1e-9),
    ):
        for line in _lines(path):
            if line.startswith(name):
                return int(line.split()[1]) * unit
    return 0.0


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text("utf-8").splitlines()
    except OSError:
        return []
