"""What bounds each route, in cycles of a multiprocessor for one step forward and one backward.

These figures choose between routes; they are reckoned from the machine's shape and were never measured. A step of
`block` is its products and four waits inside a block. A step of `grid` adds, for each phase, one barrier (a release to
L2, polls that see it, about two trips) and the operand's way out of L2 into every block: rows × depth numbers each,
with depth the accumulators' widths on the way back, so backward costs the more. A step of `steps` is two nodes of a
graph a phase, and all weights read once more from L2.
"""

from harness_fused.cuda.tiling import Counts, Tiling

MULTIPLIED = {2: 1024, 4: 128}
"""Multiplications and additions a cycle of one multiprocessor, by bytes of a number: tensor cores; FMA."""
FROM_SHARED, FROM_L2, L2_IN_ALL = 128, 48, 3000
"""Bytes a cycle: one multiprocessor from its shared memory, and from L2; all together from L2."""
BARRIER, WAIT, NODE, ARITHMETIC = 1800, 60, 3500, 350
"""Cycles: a group's barrier; a block's own; a node of a graph; a phase's pointwise part."""


def cycles_together(tiling: Tiling, multiprocessors: int) -> float:
    """Of the routes `block` and `grid`."""
    waves = -(-tiling.group * tiling.groups // multiprocessors)
    return waves * sum(_cycles(tiling, back) for back in (False, True))


def _cycles(tiling: Tiling, back: bool) -> float:
    together = tiling.group > 1
    elements = tiling.rows * tiling.units / (tiling.warps * 32)
    total = tiling.counts.phases * ((BARRIER if together else WAIT) + ARITHMETIC * max(1.0, elements))
    left = tiling.held
    for product in tiling.products(back):
        fragment, local, depth = product.words
        held = min(depth, left // max(1, local * fragment))
        left -= held * local * fragment
        width = product.chunks * 32
        total += product.tiles * product.row_tile * width * tiling.rows / MULTIPLIED[tiling.size]
        operand = tiling.rows * width * tiling.size * product.warps[0]
        total += operand / (FROM_L2 if together else FROM_SHARED)
        again = (depth - held) * local * fragment * 4 * tiling.warps * 32
        tiles = tiling.rows / tiling.tile
        total += tiles * (again + 8 * product.partial) / FROM_SHARED + 2 * tiles * WAIT
    return total


def cycles_of_steps(counts: Counts, batch: int, hidden: int, size: int, multiprocessors: int) -> float:
    """Of the route `steps`."""
    total = 0.0
    for readers, operands in zip(counts.readers, counts.operands, strict=True):
        weights = readers * operands * hidden * hidden
        multiplied = weights * batch / (MULTIPLIED[size] * multiprocessors / 2)
        total += 2 * NODE + max(multiplied, weights * size / L2_IN_ALL)
    return 2 * total
