"""What one trial may take of the machine's memory."""

import resource
from contextlib import suppress
from pathlib import Path

import psutil

KEPT_FREE = 0.1
"""The part of the free memory that no trial gets."""
_CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)


def share_of_memory(slots: int) -> int:
    """The bytes each of so many trials may hold: what is free now, in the machine and in this container, shared out."""
    free = psutil.virtual_memory().available
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):  # no such cgroup; "max"
            free = min(free, int(Path(limit).read_text()) - int(Path(used).read_text()))
    return max(1, int((1 - KEPT_FREE) * free / slots))


def restrict(memory: int) -> None:
    """Limits this process: so many bytes of data (0: no limit), no core dumps, and the first to go when memory ends.

    RLIMIT_DATA counts what can be written to. RLIMIT_AS would count address space that is reserved and never used,
    which CUDA and many allocators take by the terabyte.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory:
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        bytes_ = memory if most == resource.RLIM_INFINITY else min(memory, most)
        resource.setrlimit(resource.RLIMIT_DATA, (bytes_, bytes_))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


def kernel_kills() -> int:
    """How many processes of this machine the kernel has killed for want of memory; 0 where it does not tell."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def gibibytes(bytes_: int) -> str:
    """Bytes as a person reads them."""
    return f"{bytes_ / 2**30:.2f} GiB"
