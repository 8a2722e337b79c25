"""How the routes `block` and `grid` share the work: sizes that product.cuh and place.cuh compute likewise."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from harness_fused.differentiate import differentiate
from harness_fused.recurrence import Recurrence
from harness_fused.storing import store

CHUNK = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What of a recurrence decides sizes; `readers` (accumulators with in-loop products) and `operands` by phase."""

    states: int
    vectors: int
    kept: int
    carried: int
    adjoints: int
    readers: tuple[int, ...]
    operands: tuple[int, ...]

    @property
    def phases(self) -> int:
        """Dependent products of a step."""
        return len(self.readers)

    def own(self, back: bool) -> int:
        """Numbers a thread owns of each of its elements."""
        if back:
            return self.states * (2 if self.phases > 1 else 1) + self.adjoints + self.vectors
        return self.states + self.carried

    def slots(self, back: bool) -> int:
        """Rows of width H that products read in a step."""
        return sum(self.readers if back else self.operands)


def counts_of(recurrence: Recurrence) -> Counts:
    """The counts of a recurrence; those of storage as in its generated text."""
    storage = store(recurrence, differentiate(recurrence))
    readers = [acc.phase for acc in recurrence.accumulators if any(term.operand >= 0 for term in acc.terms)]
    phases = range(recurrence.phases)
    return Counts(
        states=len(recurrence.next),
        vectors=len(recurrence.vectors),
        kept=len(storage.kept),
        carried=storage.carried,
        adjoints=len(storage.adjoints),
        readers=tuple(readers.count(k) for k in phases),
        operands=tuple(sum(operand.phase == k for operand in recurrence.operands) for k in phases),
    )


@dataclass(frozen=True)
class Product:
    """A block's share of one phase's product: the constants of `Product` in product.cuh."""

    outputs: int
    deep: int
    tiling: "Tiling"

    @cached_property
    def chunks(self) -> int:
        """Of 32, along the depth."""
        return self.deep * self.tiling.width // CHUNK

    @cached_property
    def row_tile(self) -> int:
        """Rows one warp multiplies at once."""
        rows = self.outputs * self.tiling.units
        return 16 if self.tiling.tensor else min(32, power_above(rows))

    @cached_property
    def tiles(self) -> int:
        """Row tiles."""
        return -(-self.outputs * self.tiling.units // self.row_tile)

    @cached_property
    def warps(self) -> tuple[int, int]:
        """How many share the rows, and the depth."""
        all_warps, group = self.tiling.warps, self.tiling.group
        over_depth = min(all_warps, power_below(self.chunks))
        over_rows = min(all_warps, power_below(self.tiles)) if group == 1 else all_warps // over_depth
        return over_rows, all_warps // over_rows

    @cached_property
    def words(self) -> tuple[int, int, int]:
        """A lane's words of a tile and a chunk, its tiles, its chunks."""
        rows, depth = self.warps
        fragment = 8 if self.tiling.tensor else self.row_tile
        return fragment, -(-self.tiles // rows), -(-self.chunks // depth)

    @cached_property
    def partial(self) -> int:
        """Floats of partial sums."""
        sub = 1 if self.tiling.tensor else 32 // self.row_tile
        return self.warps[1] * sub * self.tiles * self.row_tile * (self.tiling.tile + 1)


@dataclass(frozen=True)
class Tiling:
    """Rows of the batch and units of the width, dealt out to groups of blocks.

    `units`: a block owns so many of H; `group`: so many blocks have all of H; `groups`: share the batch, `rows` each,
    `tile` rows multiplied at once; `held`: 32-bit words of weights a thread may hold in registers; `size`: bytes of a
    number.
    """

    counts: Counts
    units: int
    group: int
    groups: int
    rows: int
    tile: int
    warps: int
    held: int
    size: int

    @property
    def tensor(self) -> bool:
        """Whether tensor cores multiply."""
        return self.size == 2

    @property
    def width(self) -> int:
        """H with padding."""
        return -(-self.group * self.units // CHUNK) * CHUNK

    @property
    def stride(self) -> int:
        """From a row of an operand to the next, in numbers."""
        return self.width | CHUNK

    @property
    def flags(self) -> int:
        """Words of flags a group has."""
        return -(-self.group // 32) * 32

    def products(self, back: bool) -> Iterator[Product]:
        """By phase; those that have any."""
        for readers, operands in zip(self.counts.readers, self.counts.operands, strict=True):
            if readers:
                yield Product(operands, readers, self) if back else Product(readers, operands, self)

    def shared_bytes(self, back: bool) -> int:
        """Dynamic shared memory of a block: weights, partial sums, what threads own, alone also the operands."""
        left, weights, partial = self.held, 0, 0
        for product in self.products(back):
            fragment, local, depth = product.words
            held = min(depth, left // max(1, local * fragment))
            left -= held * local * fragment
            weights += (depth - held) * local * fragment * 4 * self.warps * 32
            partial = max(partial, product.partial)
        own = self.counts.own(back) * self.rows * self.units * 4
        operands = self.counts.slots(back) * self.rows * self.stride * self.size if self.group == 1 else 0
        return weights + -(-partial // 4) * 16 + own + operands


def power_below(number: int) -> int:
    """The largest power of two that is no larger, at least 1."""
    return 1 << max(0, number.bit_length() - 1)


def power_above(number: int) -> int:
    """The smallest power of two that is no smaller."""
    return 1 << max(0, number - 1).bit_length()
