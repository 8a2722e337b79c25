"""How long a piece of work takes on its device, and at which clock the device ran meanwhile."""

import time
from collections.abc import Callable
from math import nan
from typing import Any, Protocol

import torch

FLUSH_BYTES = 256 << 20
"""What is written to push a GPU's second-level cache out, five times an H100's 50 MB."""

BAD_REASONS = 0x4 | 0x8 | 0x20 | 0x40 | 0x80
"""NVML's clock-event reasons that spoil a timing: power cap, slowdown, software and hardware heat, power brake."""


class Clock(Protocol):
    """Times work on one device."""

    def seconds(self, work: Callable[[], None], calls: int) -> float:
        """What `calls` calls take together."""
        ...

    def cold_seconds(self, work: Callable[[], None], calls: int) -> float:
        """The same, with the caches emptied before each call."""
        ...

    def state(self) -> tuple[float, int]:
        """The processor's clock in MHz and why it is held back (NVML's bits); (nan, 0) where nobody can tell."""
        ...


class CpuClock:
    """The monotonic clock, 50 ns a step. Caches are not emptied: a step's weights stay in them while it is used."""

    def seconds(self, work: Callable[[], None], calls: int) -> float:
        """Wall time."""
        began = time.perf_counter_ns()
        for _ in range(calls):
            work()
        return (time.perf_counter_ns() - began) * 1e-9

    def cold_seconds(self, work: Callable[[], None], calls: int) -> float:
        """No cold timing on the CPU."""
        raise NotImplementedError

    def state(self) -> tuple[float, int]:
        """Not told turn by turn: reading a core's clock may take 10 ms; `Stopwatch.megahertz` is for once a pair."""
        return nan, 0


class CudaClock:
    """Events on the current stream, half a microsecond a step; NVML, where installed, for clock and throttling."""

    def __init__(self) -> None:
        event: Any = torch.cuda.Event
        self._events = [event(enable_timing=True) for _ in range(2)]
        self._flushed: Any = None
        self._nvml = _nvml_device()

    def seconds(self, work: Callable[[], None], calls: int) -> float:
        """From the first kernel's turn to the last one's end; a launch-bound step's gaps count."""
        before, after = self._events
        torch.cuda.synchronize()
        before.record()
        for _ in range(calls):
            work()
        after.record()
        torch.cuda.synchronize()
        return float(before.elapsed_time(after)) * 1e-3

    def cold_seconds(self, work: Callable[[], None], calls: int) -> float:
        """Each call alone, after the second-level cache has been overwritten."""
        if self._flushed is None:
            self._flushed = torch.empty(FLUSH_BYTES, dtype=torch.int8, device="cuda")
        total = 0.0
        for _ in range(calls):
            self._flushed.zero_()
            total += self.seconds(work, 1)
        return total

    def state(self) -> tuple[float, int]:
        """The streaming multiprocessors' clock and the bits of `BAD_REASONS` that are set."""
        if self._nvml is None:
            return nan, 0
        library, device = self._nvml
        try:
            reasons = int(library.nvmlDeviceGetCurrentClocksEventReasons(device)) & BAD_REASONS
            return float(library.nvmlDeviceGetClockInfo(device, library.NVML_CLOCK_SM)), reasons
        except library.NVMLError:  # a virtual GPU may not tell
            return nan, 0


def clock_of(device: str) -> Clock:
    """The clock of a device: `cpu` or `cuda`."""
    return CudaClock() if device == "cuda" else CpuClock()


def _nvml_device() -> tuple[Any, Any] | None:
    """NVML and its handle of torch's current device, found by its address on the bus; None without nvidia-ml-py or
    where NVML refuses.
    """
    try:
        import pynvml
    except ImportError:
        return None
    properties: Any = torch.cuda.get_device_properties(torch.cuda.current_device())
    address = f"{properties.pci_domain_id:08x}:{properties.pci_bus_id:02x}:{properties.pci_device_id:02x}.0"
    try:
        pynvml.nvmlInit()
        return pynvml, pynvml.nvmlDeviceGetHandleByPciBusId(address)
    except pynvml.NVMLError:
        return None
