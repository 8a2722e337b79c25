"""What the CUDA side launches for a recurrence at a shape: a pure function's answer, made before anything is compiled.

Division of labour. torch's matmul, outside the kernels, makes the products of x for all steps at once and, after
backward, the gradients of weights and of x. The recurrent part is ours, by one of three routes:

- `block`: groups of one thread block. A block owns rows of the batch for all T and holds all recurrent weights in
  registers and shared memory; nothing leaves it. Bound by its own products; no synchronisation between blocks.
- `grid`: groups of several blocks, one cooperative launch. A block owns hidden units; states pass through L2, behind
  one flag barrier a phase. Bound by the barrier and the way of the state through L2 (see `prediction.py`).
- `steps`: torch's matmul and one pointwise kernel for each phase of each step; meant for a captured CUDA graph. Bound
  by launches where H and B are small, by reading the weights again in every step where they are large. It runs
  everything; its products are rounded to the number format before the arithmetic.

`block` and `grid` are the same kernel: the size of a group is a constant.
"""

from dataclasses import dataclass
from typing import Literal

from harness.settings import LayerShape
from harness_fused.recurrence import Recurrence

Route = Literal["block", "grid", "steps"]
DType = Literal["float32", "bfloat16", "float16"]
BufferType = Literal["float32", "bfloat16", "float16", "int32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """Of one GPU: multiprocessors, bytes of shared memory a block may opt in to, 32-bit registers a multiprocessor."""

    multiprocessors: int
    shared_bytes: int
    registers: int = 65536
    capability: tuple[int, int] = (8, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Workspace of one launch, allocated by the caller, freed after it. `zeroed`: every byte 0 before each launch.

    What is not `zeroed` may hold anything, NaN included.
    """

    name: str
    shape: tuple[int, ...]
    dtype: BufferType
    zeroed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One kernel of a translation unit and how it is started.

    Every argument is eight bytes: the address of a contiguous array's first element (0 for none), or a signed number.
    `arguments`: their names, in the kernel's order; what they mean stands in driver/call.cuh. `cooperative`: all
    blocks must be resident at once. `shared_bytes`: dynamic shared memory; the caller raises the kernel's limit.
    """

    kernel: str
    grid: int
    block: int
    shared_bytes: int
    cooperative: bool
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a recurrence runs at one shape on one device.

    `constants`: compile-time names and numbers, all of the text that the shape decides. `infer`, `train`: forward
    without and with what backward needs; `backward`. Each is one launch, but for the route `steps`: there it is a
    launch a phase, in the order of one step, given `step` anew for each step. `buffers`: workspace, by name.
    """

    route: Route
    reason: str
    dtype: DType
    constants: tuple[tuple[str, int], ...]
    infer: tuple[Launch, ...]
    train: tuple[Launch, ...]
    backward: tuple[Launch, ...]
    buffers: tuple[Buffer, ...]
    barrier: Launch | None = None
    """The same grid's barrier alone, `steps` times the phases: the floor of the route `grid`."""


def plan(
    recurrence: Recurrence, shape: LayerShape, dtype: DType, device: DeviceFacts, route: Route | None = None
) -> Plan:
    """The route predicted to be fastest, or the one asked for.

    Raises HarnessError in words where the route asked for cannot run this; `steps` runs everything.
    """
    raise NotImplementedError
