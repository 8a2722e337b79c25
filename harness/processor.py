"""What the system tells of the processor and of itself, without asking for any right. Linux tells most."""

import hashlib
import math
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ADDR_NO_RANDOMIZE = 0x0040000
"""The bit of a process's personality that `setarch -R` sets."""


def processor(root: Path = Path("/")) -> dict[str, Any]:
    """Processor, cores and quota, memory, and the settings of the system that move times; "" where it does not tell.

    `root`: where /proc and /sys are.
    """
    info = _cpuinfo(root)
    flags = sorted((info.get("flags") or info.get("Features") or "").split())
    memory = _memory_bytes(root)
    return {
        "cpu": info.get("model name") or platform.processor() or platform.machine(),
        "cpu_flags": hashlib.sha256(" ".join(flags).encode()).hexdigest()[:12] if flags else "",
        "hypervisor": "hypervisor" in flags,
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "cpu_quota": cpu_quota(root),
        "memory_bytes": memory,
        "memory_class": f"{2 ** math.ceil(math.log2(memory / 2**30))} GiB" if memory else "",
        "smt": {"0": "off", "1": "on"}.get(_read(root / "sys/devices/system/cpu/smt/active"), ""),
        "governor": _governors(root),
        "turbo": _turbo(root),
        "huge_pages": _chosen(_read(root / "sys/kernel/mm/transparent_hugepage/enabled")),
        "address_layout": _address_layout(root),
        "clocksource": _read(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "libc": _libc(),
    }


def usable_cores() -> int:
    """The cores this process may compute on at once: those it is allowed, as many as its quota grants, at least one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return allowed if quota is None else max(1, min(allowed, int(quota)))


def cpu_quota(root: Path = Path("/")) -> float | None:
    """The cores' worth of time that control groups grant this process, the least on the way up; None for no limit."""
    limits = [limit for folder in _groups(root) for limit in _limits(folder)]
    return min(limits, default=None)


def _groups(root: Path) -> Iterator[Path]:
    """This process's control groups that may hold a limit on time, and those above them; both versions."""
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        mounts = [root / "sys/fs/cgroup" / controllers, root / "sys/fs/cgroup/cpu"] if controllers else []
        for mount in mounts or [root / "sys/fs/cgroup"]:
            here = mount / path.strip("/")
            yield from (folder for folder in (here, *here.parents) if folder == mount or mount in folder.parents)


def _limits(group: Path) -> Iterator[float]:
    quota, _, period = _read(group / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(group / "cpu.cfs_quota_us"), _read(group / "cpu.cfs_period_us")
    if quota.isdigit() and period.isdigit() and int(period):
        yield int(quota) / int(period)


def _cpuinfo(root: Path) -> dict[str, str]:
    """The first processor's entry of /proc/cpuinfo."""
    first = _read(root / "proc/cpuinfo").partition("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_bytes(root: Path) -> int:
    for line in _read(root / "proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    import psutil

    return int(psutil.virtual_memory().total)


def _governors(root: Path) -> str:
    cpus = root / "sys/devices/system/cpu"
    return ",".join(sorted({_read(file) for file in cpus.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}))


def _turbo(root: Path) -> str:
    cpus = root / "sys/devices/system/cpu"
    forbidden = {"0": "on", "1": "off"}.get(_read(cpus / "intel_pstate/no_turbo"), "")
    return forbidden or {"0": "off", "1": "on"}.get(_read(cpus / "cpufreq/boost"), "")


def _address_layout(root: Path) -> str:
    """`random` or `fixed`."""
    personality, setting = _read(root / "proc/self/personality"), _read(root / "proc/sys/kernel/randomize_va_space")
    if personality and int(personality, 16) & ADDR_NO_RANDOMIZE:
        return "fixed"
    return {"0": "fixed", "1": "random", "2": "random"}.get(setting, "")


def _libc() -> str:
    try:
        return os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return " ".join(platform.libc_ver()).strip()


def _chosen(text: str) -> str:
    """`madvise` out of `always [madvise] never`."""
    return text.partition("[")[2].partition("]")[0]


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
