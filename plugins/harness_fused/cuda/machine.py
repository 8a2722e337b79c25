"""Where the kernels of a plan run: on a GPU through `cuda.core`, or on the CPU in the emulation."""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, cached_property
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from harness.errors import HarnessError
from harness_fused.cuda import nvrtc
from harness_fused.cuda.emulation import Emulation, address
from harness_fused.cuda.passes import Launcher
from harness_fused.cuda.plan import DeviceFacts, Launch, Plan
from harness_fused.cuda.presence import UNCACHED

T = TypeVar("T")


class Machine(Protocol):
    """What a fused layer needs of the place where it runs."""

    facts: DeviceFacts

    @property
    def records(self) -> bool:
        """Whether launches can be recorded now."""
        ...

    def current(self) -> AbstractContextManager[object]:
        """Makes it the place where tensors are made and kernels start."""
        ...

    def launcher(self, text: str, plan: Plan) -> Launcher:
        """Starts the kernels of the text, which is compiled now if that was never done."""
        ...

    def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """The work's answer, tensors that stay in place, and a call that does the work again into the same tensors."""
        ...


class Gpu:
    """One CUDA device, by its number. Nothing of it is ever copied."""

    def __init__(self, index: int) -> None:
        torch.cuda.init()  # cuda.core joins the context that torch has made
        self.index = index
        self.core = core()
        with torch.cuda.device(index):  # whatever device is current stays so
            device = self.core.Device(index)
            device.set_current()
        found = device.properties
        major, minor = device.compute_capability
        self.facts = DeviceFacts(
            multiprocessors=found.multiprocessor_count,
            shared_bytes=found.max_shared_memory_per_block_optin,
            registers=found.max_registers_per_multiprocessor,
            capability=(major, minor),
        )

    @property
    def records(self) -> bool:
        """Not while torch's current stream is captured already, nor where torch gives memory back at once: a graph
        needs it to stay, and torch then refuses every allocation that would be captured.
        """
        return not (torch.cuda.is_current_stream_capturing() or UNCACHED in os.environ)

    def current(self) -> AbstractContextManager[object]:
        """The current device."""
        return torch.cuda.device(self.index)

    def launcher(self, text: str, plan: Plan) -> Launcher:
        """One for all equal texts."""
        return self._launcher(text)

    def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """By a CUDA graph. The work runs once before, on the stream that is captured, as torch asks for it: it loads
        kernels and chooses algorithms, which nothing may do while it is recorded.
        """
        self._beside.wait_stream(torch.cuda.current_stream(self.index))
        with torch.cuda.stream(self._beside):
            work()
        torch.cuda.current_stream(self.index).wait_stream(self._beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=self._beside, capture_error_mode="thread_local"):
            answer = work()
        return answer, graph.replay

    @cached_property
    def _beside(self) -> torch.cuda.Stream:
        """One for all recordings: torch keeps a workspace of cuBLAS for every stream, and its own is on one device."""
        return torch.cuda.Stream(self.index)

    @cached_property
    def architecture(self) -> str:
        """As the compiler calls it: "sm_90"."""
        return "sm_{}{}".format(*self.facts.capability)

    @cache  # noqa: B019 -- one object a device, for as long as the process lives
    def _launcher(self, text: str) -> "GpuLauncher":
        return GpuLauncher(self, text)


class GpuLauncher:
    """A launcher (see passes.py) on torch's current stream."""

    def __init__(self, gpu: Gpu, text: str) -> None:
        self._gpu = gpu
        self._code = gpu.core.ObjectCode.from_cubin(nvrtc.binary(text, gpu.architecture).code)
        self._ready: dict[Launch, tuple[Any, Any]] = {}
        self._allowed: dict[str, int] = {}

    def __call__(self, launch: Launch, given: Mapping[str, Tensor | int | None]) -> None:
        """Starts a kernel and does not wait for it."""
        kernel, config = self._ready.get(launch) or self._prepared(launch)
        stream = self._gpu.core.Stream.from_handle(torch.cuda.current_stream(self._gpu.index).cuda_stream)
        self._gpu.core.launch(stream, config, kernel, *(address(given.get(name)) for name in launch.arguments))

    def _prepared(self, launch: Launch) -> tuple[Any, Any]:
        kernel = self._code.get_kernel(launch.kernel)
        if launch.shared_bytes > self._allowed.get(launch.kernel, 0):  # launches of several batch sizes share a kernel
            _allow_shared(kernel, launch.shared_bytes, self._gpu.index)
            self._allowed[launch.kernel] = launch.shared_bytes
        config = self._gpu.core.LaunchConfig(
            grid=launch.grid,
            block=launch.block,
            shmem_size=launch.shared_bytes,
            **({_cooperative(self._gpu.core): True} if launch.cooperative else {}),
        )
        self._ready[launch] = kernel, config
        return kernel, config


class Emulated:
    """No GPU: the same text on the CPU, with the facts of whatever GPU is asked about."""

    def __init__(self, facts: DeviceFacts) -> None:
        self.facts = facts
        self.records = True

    def current(self) -> AbstractContextManager[object]:
        """It always is."""
        return nullcontext()

    def launcher(self, text: str, plan: Plan) -> Launcher:
        """By g++ or clang++."""
        return Emulation(text, plan)

    def record(self, work: Callable[[], T]) -> tuple[T, Callable[[], None]]:
        """Does the work again, and copies."""
        answer = work()

        def replay() -> None:
            for kept, found in zip(_tensors(answer), _tensors(work()), strict=True):
                kept.copy_(found)

        return answer, replay


def gpu_of(device: str) -> Gpu:
    """The machine behind torch's "cuda" (the current device) or "cuda:1"; the same object whenever it is asked for."""
    index = torch.device(device).index
    return _gpu(torch.cuda.current_device() if index is None else index)


@cache
def _gpu(index: int) -> Gpu:
    return Gpu(index)


def core() -> Any:
    """`cuda.core`, which was `cuda.core.experimental` before 0.5."""
    import cuda.core

    if hasattr(cuda.core, "launch"):
        return cuda.core
    from cuda.core import experimental

    return experimental


def _cooperative(core: Any) -> str:
    """What a cooperative launch is asked for by: `cooperative_launch` before 1.0."""
    return "is_cooperative" if hasattr(core.LaunchConfig, "is_cooperative") else "cooperative_launch"


def _allow_shared(kernel: Any, shared_bytes: int, index: int) -> None:
    """Lets a kernel have more dynamic shared memory than the 48 KB any kernel has. cuda.core has no word for it."""
    from cuda.bindings import driver

    name = driver.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
    handle = driver.CUkernel(int(kernel.handle if hasattr(kernel, "handle") else kernel._handle))
    (status,) = driver.cuKernelSetAttribute(name, shared_bytes, handle, driver.CUdevice(index))
    if int(status):
        raise HarnessError(f"the device refuses a block {shared_bytes} bytes of shared memory: {status}")


def _tensors(answer: Any) -> list[Tensor]:
    """The tensors of nested tuples and lists, in order."""
    if isinstance(answer, Tensor):
        return [answer]
    return [tensor for part in answer for tensor in _tensors(part)] if isinstance(answer, tuple | list) else []
