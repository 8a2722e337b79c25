"""What is launched and with which workspace, once the route is known."""

from dataclasses import dataclass
from typing import Literal

from harness.settings import LayerShape
from harness_fused.cuda.tiling import Counts, Tiling

Route = Literal["block", "grid", "steps"]
DType = Literal["float32", "bfloat16", "float16"]
BufferType = Literal["float32", "bfloat16", "float16", "int32"]

ARGUMENTS = (
    "steps", "batch", "rows", "weights", "bias", "vectors", "projected", "initial", "y", "others", "kept", "final",
    "d_y", "d_final", "d_acc", "operands", "d_vector", "d_initial", "exchange", "flags", "packed", "step", "product",
    "own", "slots",
)  # fmt: skip
"""Of every kernel, in order; what they mean stands in driver/call.cuh."""

POINTWISE_THREADS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """Of one GPU: multiprocessors, bytes of shared memory a block may opt in to, 32-bit registers a multiprocessor."""

    multiprocessors: int
    shared_bytes: int
    registers: int = 65536
    capability: tuple[int, int] = (8, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buffer:
    """Workspace of one launch (`steps`: of one pass), allocated by the caller, freed after it.

    `zeroed`: every byte 0 before each launch. What is not may hold anything, NaN included.
    """

    name: str
    shape: tuple[int, ...]
    dtype: BufferType
    zeroed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One kernel of a translation unit and how it is started.

    Every argument is eight bytes: the address of a contiguous array's first element (0 for none), or a signed number.
    `arguments`: their names, in the kernel's order. `cooperative`: all blocks must be resident at once.
    `shared_bytes`: dynamic shared memory; the caller raises the kernel's limit.
    """

    kernel: str
    grid: int
    block: int
    shared_bytes: int
    cooperative: bool
    arguments: tuple[str, ...] = ARGUMENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a recurrence runs at one shape on one device.

    `cycles`: predicted, of a step forward and backward, see prediction.py; `reason`: why this plan, in a line.
    `constants`: compile-time names and numbers, all of the text that the shape decides. `infer`, `train`: forward
    without and with what backward needs; `backward`. Each is one launch, but for the route `steps`: there it is a
    launch a phase, in the order of one step, given `step` anew for each step. `buffers`: workspace, by name. `rows`:
    the argument of that name. `barrier`: the same grid's barrier alone, `steps` times the phases: the floor of `grid`.
    """

    route: Route
    dtype: DType
    rows: int
    cycles: int
    constants: tuple[tuple[str, int], ...]
    infer: tuple[Launch, ...]
    train: tuple[Launch, ...]
    backward: tuple[Launch, ...]
    buffers: tuple[Buffer, ...]
    barrier: Launch | None = None
    reason: str = ""

    @property
    def launches(self) -> tuple[Launch, ...]:
        """All of them."""
        return (*self.infer, *self.train, *self.backward, *((self.barrier,) if self.barrier else ()))


def sequence_plan(tiling: Tiling, shape: LayerShape, dtype: DType, cycles: int) -> Plan:
    """One launch for all steps: the routes `block` and `grid`."""
    together, blocks = tiling.group > 1, tiling.group * tiling.groups

    def launch(kernel: str, back: bool) -> Launch:
        return Launch(
            kernel=kernel,
            grid=blocks,
            block=tiling.warps * 32,
            shared_bytes=tiling.shared_bytes(back),
            cooperative=together,
        )

    slots = max(map(tiling.counts.slots, (False, True)))
    exchange = (tiling.groups, 2, slots, tiling.rows, tiling.stride) if together else (0,)
    flags = (tiling.groups, tiling.flags) if together else (0,)
    return Plan(
        route="grid" if together else "block",
        dtype=dtype,
        rows=tiling.rows,
        cycles=cycles,
        constants=(
            ("HIDDEN", shape.hidden),
            ("UNITS", tiling.units),
            ("GROUP", tiling.group),
            ("WARPS", tiling.warps),
            ("THREADS", tiling.warps * 32),
            ("TILE", tiling.tile),
            ("HELD_WORDS", tiling.held),
        ),
        infer=(launch("forward_infer", False),),
        train=(launch("forward_train", False),),
        backward=(launch("backward", True),),
        buffers=(
            Buffer(name="exchange", shape=exchange, dtype=dtype, zeroed=False),
            Buffer(name="flags", shape=flags, dtype="int32", zeroed=True),
            Buffer(name="packed", shape=(blocks, tiling.held, tiling.warps * 32), dtype="int32", zeroed=False),
        ),
        barrier=launch("barrier", False) if together else None,
    )


def steps_plan(counts: Counts, shape: LayerShape, dtype: DType, cycles: int) -> Plan:
    """A launch a phase and step: the route `steps`."""
    B, H = shape.batch, shape.hidden
    phases = range(counts.phases)

    def launch(kernel: str) -> Launch:
        return Launch(
            kernel=kernel,
            grid=-(-B * H // POINTWISE_THREADS),
            block=POINTWISE_THREADS,
            shared_bytes=0,
            cooperative=False,
        )

    kinds = max(map(counts.own, (False, True)))
    outputs = max(*counts.readers, *counts.operands)
    return Plan(
        route="steps",
        dtype=dtype,
        rows=B,
        cycles=cycles,
        constants=(("HIDDEN", H), ("THREADS", POINTWISE_THREADS)),
        infer=tuple(launch(f"forward_infer_{k}") for k in phases),
        train=tuple(launch(f"forward_train_{k}") for k in phases),
        backward=tuple(launch(f"backward_{k}") for k in reversed(phases)),
        buffers=(
            Buffer(name="own", shape=(kinds, B, H), dtype="float32", zeroed=False),
            Buffer(name="slots", shape=(counts.slots(False), B, H), dtype=dtype, zeroed=False),
            Buffer(name="product", shape=(B, outputs, H), dtype=dtype, zeroed=False),
        ),
    )
