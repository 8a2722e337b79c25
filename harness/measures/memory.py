"""Memory: the peak of what one warm step allocates, in bytes of the allocator, not of the process.

A process's resident size holds what freed memory left behind and what its parent had; the allocator's own count is
the same in every run. On the CPU memray hooks the malloc family and mmap; on CUDA torch's caching allocator counts.
Resting bytes (weights, inputs, cotangents) are not in the figures: gradients, which a step makes anew, are.
"""

import gc
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Protocol

import torch

from harness import threads
from harness.bench.step import Step
from harness.layer import torch_dtype
from harness.measures import Context
from harness.measures.step import build_step, parameter_count, required_shape
from harness.record import Answer, Measured, Status
from harness.sizes import layers_of_shape
from harness.trial import Trial

WARM_STEPS = 2
"""Steps before anything is weighed: the first ones grow the libraries' own buffers (32 MiB in OpenBLAS)."""


class Scales(Protocol):
    """Weighs what a piece of work allocates, in bytes."""

    def peak(self, work: Callable[[], object]) -> int:
        """The most that was allocated at once while `work` ran."""
        ...

    def kept(self, work: Callable[[], object]) -> int:
        """What is still allocated when `work` has returned and its result is held."""
        ...


def measure(trial: Trial, context: Context) -> Answer:
    """Weighs the train step, the forward pass, and what is alive between forward and backward.

    Skipped where there is no memray for a CPU trial. Raises HarnessError for a trial without shape and where a pool
    has not the trial's threads.
    """
    scales = _scales(trial, context.folder)
    if scales is None:
        return Answer(values={}, status=Status.SKIPPED, reason="memray is not installed, and CPU memory needs it")
    threads.fix(trial.threads)
    step = build_step(trial, (trial.cell, trial.backend), context.catalog)
    for _ in range(WARM_STEPS):
        step.train()
        step.forward()
    threads.verify(trial.threads)
    scales.peak(step.train)  # a rehearsal: the first step under memray shows some 9 KB more than all later ones
    first, second = _weigh(step, scales), _weigh(step, scales)
    values = {name: Measured(max(first[name], second[name]), "bytes") for name in first}
    return Answer(values=values | {"repeatable": Measured(first == second)} | _sizes(trial, context))


def _weigh(step: Step, scales: Scales) -> dict[str, int]:
    """One weighing of everything; gradients are None before each and no garbage is collected meanwhile."""
    weighed = {}
    for name, weigh, work in (
        ("train_peak_bytes", scales.peak, step.train),
        ("forward_peak_bytes", scales.peak, step.forward),
        ("activation_bytes", scales.kept, step.outputs),
    ):
        step.clear()
        gc.collect()
        gc.disable()
        try:
            weighed[name] = weigh(work)
        finally:
            gc.enable()
    return weighed


def _sizes(trial: Trial, context: Context) -> dict[str, Measured]:
    """What follows from the cell alone: its parameters, and one sequence's states."""
    shape = required_shape(trial)
    cell = context.catalog.cell(trial.cell.spelling)
    itemsize = torch_dtype(trial.dtype).itemsize
    parameters = parameter_count(cell, shape)
    return {
        "parameters": Measured(parameters),
        "parameter_bytes": Measured(parameters * itemsize, "bytes"),
        **layers_of_shape(shape).measured(cell, itemsize),
    }


def _scales(trial: Trial, folder: Path) -> Scales | None:
    if trial.device == "cuda":
        return CudaScales()
    try:
        import memray  # noqa: F401 -- asked for here, used by the scales
    except ImportError:
        return None
    return CpuScales(folder / "allocations.bin")


class CpuScales:
    """memray's: every malloc, calloc, aligned allocation and mapping of every thread, to the byte.

    What the tracker itself allocates is not counted. `file` is written and deleted.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def peak(self, work: Callable[[], object]) -> int:
        """The high-water mark of the allocations made while `work` ran."""
        import memray

        self._track(work)
        with closing(memray.FileReader(self._file)) as reader:
            return int(reader.metadata.peak_memory)

    def kept(self, work: Callable[[], object]) -> int:
        """The allocations made while `work` ran and not freed before it was over."""
        import memray

        self._track(work)
        with closing(memray.FileReader(self._file)) as reader:
            return sum(record.size for record in reader.get_leaked_allocation_records(merge_threads=True))

    def _track(self, work: Callable[[], object]) -> None:
        import memray

        self._file.unlink(missing_ok=True)
        # Python's small objects live in arenas that malloc gave long before; only new arenas would be seen.
        with memray.Tracker(self._file, native_traces=False, trace_python_allocators=False):
            result = work()
        del result


class CudaScales:
    """torch's caching allocator's: bytes over what was at rest, each allocation rounded up to 512.

    What a kernel takes from the driver behind torch's back is not seen.
    """

    def peak(self, work: Callable[[], object]) -> int:
        """The allocator's peak over rest while `work` ran."""
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        rest = torch.cuda.memory_allocated()
        work()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - rest

    def kept(self, work: Callable[[], object]) -> int:
        """The allocator's bytes over rest while the result of `work` is held."""
        torch.cuda.synchronize()
        rest = torch.cuda.memory_allocated()
        result = work()
        torch.cuda.synchronize()
        kept = torch.cuda.memory_allocated() - rest
        del result
        return kept
