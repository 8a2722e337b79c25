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

from collections.abc import Iterator
from dataclasses import replace

from harness.errors import HarnessError
from harness.settings import LayerShape
from harness_fused.cuda.launches import Buffer, DeviceFacts, DType, Launch, Plan, Route, sequence_plan, steps_plan
from harness_fused.cuda.prediction import cycles_of_steps, cycles_together
from harness_fused.cuda.tiling import Counts, Tiling, counts_of
from harness_fused.recurrence import Recurrence

__all__ = ["Buffer", "DType", "DeviceFacts", "Launch", "Plan", "Route", "plan"]

SIZES: dict[DType, int] = {"float32": 4, "bfloat16": 2, "float16": 2}
UNIT = 8
"""Units come in eights: a product's rows then fill lanes, and rows of operands keep their alignment."""
RESERVED = {2: 96, 4: 136}
"""Registers of a thread for addresses, operands and arithmetic, by bytes of a number."""
MOST_HELD, MOST_SUMS, MOST_REGISTERS = 128, 64, 255
"""Registers of a thread: most for weights and for sums; all there can be."""
TENSOR_CORES = (8, 0)
"""The first compute capability whose tensor cores have both 16-bit formats."""
MOST_WRITTEN_OUT = 1024
"""Multiplications of a product with held weights in the text of one thread: more make compilers slow."""


def plan(
    recurrence: Recurrence,
    shape: LayerShape,
    dtype: DType,
    device: DeviceFacts,
    *,
    route: Route | None = None,
    warps: int = 8,
) -> Plan:
    """The plan predicted to be fastest, of all or of the route asked for. `warps`: of a block, a power of two.

    Raises HarnessError in words where the route asked for cannot run this; `steps` runs everything.
    """
    found = alternatives(recurrence, shape, dtype, device, warps=warps)
    best: dict[Route, Plan] = {}
    for one in found:
        best.setdefault(one.route, one)
    if route and route not in best:
        tilings = _tilings(counts_of(recurrence), shape, SIZES[dtype], device, warps)
        mine = [tiling for tiling in tilings if (tiling.group > 1) == (route == "grid")]
        raise HarnessError(f"the route {route} cannot run H = {shape.hidden}: {_why_not(mine, device)}")
    chosen = best[route] if route else found[0]
    told = ", ".join(f"{name} {one.cycles}" for name, one in best.items())
    reason = f"{'asked for' if route else 'least'}; predicted cycles of a step forward and backward: {told}"
    return replace(chosen, reason=reason)


def alternatives(
    recurrence: Recurrence, shape: LayerShape, dtype: DType, device: DeviceFacts, *, warps: int = 8
) -> list[Plan]:
    """Every plan that this device can run, the one predicted fastest first: what to measure to mend predictions."""
    counts, size, blocks = counts_of(recurrence), SIZES[dtype], device.multiprocessors
    found = [steps_plan(counts, shape, dtype, round(cycles_of_steps(counts, shape.batch, shape.hidden, size, blocks)))]
    for tiling in _tilings(counts, shape, size, device, warps):
        if _shared(tiling) <= device.shared_bytes:
            found.append(sequence_plan(tiling, shape, dtype, round(cycles_together(tiling, blocks))))
    return sorted(found, key=lambda one: one.cycles)


def _tilings(counts: Counts, shape: LayerShape, size: int, device: DeviceFacts, warps: int) -> Iterator[Tiling]:
    """Every way to deal out the work for which the device has multiprocessors and threads have registers."""
    whole = -(-shape.hidden // UNIT) * UNIT
    if size == SIZES["bfloat16"] and device.capability < TENSOR_CORES:
        return
    for units in range(UNIT, whole + 1, UNIT):
        group = -(-shape.hidden // units)
        most = device.multiprocessors // group
        for tile in (8, 16, 32) if size == SIZES["bfloat16"] else (1, 2, 4, 8, 16):
            wanted = -(-shape.batch // tile)
            # One block a group needs no company: where rows do not fit otherwise, there may be more than run at once.
            for groups in {min(most, wanted), wanted if group == 1 else 0} - {0}:
                rows = -(-shape.batch // (groups * tile)) * tile
                tiling = Tiling(
                    counts, units, group, groups=-(-shape.batch // rows), rows=rows, tile=tile, warps=warps, held=0,
                    size=size,
                )  # fmt: skip
                registers = min(MOST_REGISTERS, device.registers // (warps * 32))
                most_held = MOST_HELD if tiling.tensor else min(MOST_HELD, MOST_WRITTEN_OUT // tile)
                held = min(most_held, registers - RESERVED[size] - _sums(tiling)) // 4 * 4
                if _sums(tiling) <= MOST_SUMS and held >= 0:
                    yield replace(tiling, held=held)


def _sums(tiling: Tiling) -> int:
    """Registers of a thread for sums."""
    products = [product for back in (False, True) for product in tiling.products(back)]
    each = tiling.tile // 2 if tiling.tensor else tiling.tile
    return max((product.words[1] * each for product in products), default=0)


def _shared(tiling: Tiling) -> int:
    return max(map(tiling.shared_bytes, (False, True)))


def _why_not(tilings: list[Tiling], device: DeviceFacts) -> str:
    if not tilings:
        return "too few units for two blocks, too old tensor cores, or no registers left for sums"
    least = min(map(_shared, tilings))
    return f"a block needs at least {least} bytes of shared memory for weights and states, found {device.shared_bytes}"
