"""Scales: what a piece of work allocates, in bytes of the allocator, and what the system gave it beyond that count."""

import ctypes
import gc
import math
import re
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Protocol

import torch

from .step import Step

Work = Callable[[], object]


class Scales(Protocol):
    """Weighs what a piece of work allocates, in bytes."""

    def peak(self, work: Work) -> int:
        """The most that was allocated at once while `work` ran."""
        ...

    def kept(self, work: Work) -> int:
        """What is still allocated when `work` has returned and its result is held."""
        ...

    def given(self, work: Work) -> float:
        """By how much the memory that the system has given to this process grew at most while `work` ran.

        It is less than the peak where freed memory is used again; NaN where the system does not say.
        """
        ...

    def taken(self) -> float:
        """What the system has given to this process and not got back; NaN where it does not say."""
        ...


def scales_of(device: str, folder: Path) -> Scales | None:
    """The scales of a device; None where there are none: a CPU without memray. They may write into `folder`."""
    if device == "cuda":
        return CudaScales()
    try:
        import memray  # noqa: F401 -- asked for here, used by the scales
    except ImportError:
        return None
    return CpuScales(folder / "allocations.bin")


def weigh(step: Step, scales: Scales) -> dict[str, int]:
    """One weighing of everything; gradients are None before each and no garbage is collected meanwhile."""
    weighed = {}
    for name, measure, work in (
        ("train_peak_bytes", scales.peak, step.train),
        ("forward_peak_bytes", scales.peak, step.forward),
        ("activation_bytes", scales.kept, step.outputs),
    ):
        step.clear()
        gc.collect()
        gc.disable()
        try:
            weighed[name] = measure(work)
        finally:
            gc.enable()
    return weighed


class CpuScales:
    """memray's: every malloc, calloc, aligned allocation and mapping of every thread, to the byte.

    What the tracker itself allocates is not counted. It patches the tables by which libraries call the allocator: who
    got its address by other ways, or asks the kernel directly, is not seen, except by `given`. `file` is written and
    deleted.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def peak(self, work: Work) -> int:
        """The high-water mark of the allocations made while `work` ran."""
        import memray

        self._track(work)
        with closing(memray.FileReader(self._file)) as reader:
            return int(reader.metadata.peak_memory)

    def kept(self, work: Work) -> int:
        """The allocations made while `work` ran and not freed before it was over."""
        import memray

        self._track(work)
        with closing(memray.FileReader(self._file)) as reader:
            return sum(record.size for record in reader.get_leaked_allocation_records(merge_threads=True))

    def given(self, work: Work) -> float:
        """The peak of the resident size over what it was, freed memory having been given back to the kernel before."""
        before = self.taken()
        try:
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        except OSError:
            return math.nan
        result = work()
        grown = _resident("VmHWM") - before
        del result
        return max(grown, 0.0)  # in this order NaN stays NaN

    def taken(self) -> float:
        """The resident size, freed memory having been given back to the kernel before."""
        settle()
        return _resident("VmRSS")

    def _track(self, work: Work) -> None:
        import memray

        self._file.unlink(missing_ok=True)
        # Python's small objects live in arenas that malloc gave long before; only new arenas would be seen.
        with memray.Tracker(self._file, native_traces=False, trace_python_allocators=False):
            result = work()
        del result


def settle() -> None:
    """Gives freed memory back to the kernel, where the C library can: then what is resident is what is allocated."""
    gc.collect()
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def _resident(name: str) -> float:
    try:
        found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text("utf-8"))
    except OSError:
        return math.nan
    return 1024.0 * int(found[1]) if found else math.nan


class CudaScales:
    """torch's caching allocator's: bytes over what was at rest, each allocation rounded up to 512.

    What a kernel takes from the driver behind torch's back is seen by `given` alone.
    """

    def peak(self, work: Work) -> int:
        """The allocator's peak over rest while `work` ran."""
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        rest = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - rest

    def kept(self, work: Work) -> int:
        """The allocator's bytes over rest while the result of `work` is held."""
        torch.cuda.synchronize()
        rest = torch.cuda.memory_allocated()
        result = work()
        torch.cuda.synchronize()
        kept = torch.cuda.memory_allocated() - rest
        del result
        return kept

    def given(self, work: Work) -> float:
        """The allocator's peak, and what the driver has given beyond torch's own reserve."""
        before = self._beside()
        peak = self.peak(work)
        return peak + max(0.0, self._beside() - before)

    def taken(self) -> float:
        """What torch has allocated, and what the driver has given beyond torch's own reserve."""
        return self._beside() + torch.cuda.memory_allocated()

    def _beside(self) -> float:
        """What of the device is in use, torch's reserve aside."""
        torch.cuda.synchronize()
        free, total = torch.cuda.mem_get_info()
        return float(total - free - torch.cuda.memory_reserved())
