"""The clock of the core that a worker runs on, as the kernel tells it."""

from math import nan
from pathlib import Path


def megahertz(root: Path = Path("/")) -> float:
    """MHz of this thread's core at this moment; NaN where the kernel does not tell.

    From cpufreq, where the kernel drives the clock; else what it wrote into /proc/cpuinfo, which on a virtual machine
    is most often the clock's nominal rate. `root`: where /proc and /sys are.
    """
    core = _core(root)
    told = _read(root / f"sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq")
    if told.isdigit():
        return int(told) / 1000
    for entry in _read(root / "proc/cpuinfo").split("\n\n"):
        facts = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in entry.splitlines())}
        if facts.get("processor") == core and "cpu MHz" in facts:
            return float(facts["cpu MHz"])
    return nan


def _core(root: Path) -> str:
    """The number of the core that this process ran on last: field 39 of its status; the second one may have blanks."""
    fields = _read(root / "proc/self/stat").rpartition(")")[2].split()
    return fields[36] if len(fields) > 36 else "0"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except OSError:
        return ""
