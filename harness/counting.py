"""Runs a step on arrays that know only the vocabulary of `harness.ops`, and counts what it computes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from math import prod
from numbers import Real
from types import EllipsisType
from typing import Any, NoReturn

from harness.cell import Cell
from harness.errors import HarnessError
from harness.ops import Ops

BATCH = "B"
"""The batch axis, which has a name and no size: a step that needs its size is not a step."""

Axes = tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """FLOPs of one step for one example.

    `matmul`: 2·m·n per product with an [m, n] matrix. `elementwise`: 1 per element of every other operation, a
    tanh as much as an addition. Arithmetic on parameters alone is not counted: it can be done once a call.
    """

    matmul: int
    elementwise: int

    @property
    def total(self) -> int:
        """Both kinds together."""
        return self.matmul + self.elementwise


def count(cell: Cell, I: int, H: int) -> Count:
    """Runs one step of the cell on symbols.

    Raises HarnessError, naming the operation, where the step uses anything outside the vocabulary of
    `harness.ops`, joins shapes that do not fit, or returns states of the wrong number or shape.
    """
    tally = Tally()
    p = {name: Symbol(tally, shape) for name, shape in cell.parameters(I, H).items()}
    shapes: list[Axes] = [(BATCH, *shape) for shape in cell.states(I, H).values()]
    new: Any = cell.step(RecordingOps(tally), p, Symbol(tally, (BATCH, I)), tuple(Symbol(tally, s) for s in shapes))
    if not isinstance(new, tuple | list):
        told = "one array" if isinstance(new, Symbol) else type(new).__name__
        raise HarnessError(f"wanted a step that returns a tuple of states, found {told}", hint="return (h,)")
    found = [part._axes if isinstance(part, Symbol) else type(part).__name__ for part in new]
    if found != shapes:
        named = ", ".join(cell.states(I, H))
        raise HarnessError(f"wanted a step that returns states of shapes {shapes} ({named}), found {found}")
    return Count(matmul=tally.matmul, elementwise=tally.elementwise)


class Tally:
    """The running count of one step."""

    def __init__(self) -> None:
        self.matmul = 0
        self.elementwise = 0

    def each(self, *arrays: Any) -> "Symbol":
        """One elementwise operation over the arrays, broadcast; returns its result."""
        symbols = [_operand(array) for array in arrays]
        axes = _broadcast([symbol._axes for symbol in symbols if symbol is not None])
        self.elementwise += _per_example(axes)
        return Symbol(self, axes)

    def product(self, a: Any, b: Any) -> "Symbol":
        """A matrix product [.., m] @ [m, n]."""
        left, right = _operand(a), _operand(b)
        if left is None or right is None:
            raise refused("a number in `@`")
        if len(left._axes) < 2 or len(right._axes) != 2 or BATCH in right._axes or left._axes[-1] != right._axes[0]:
            raise HarnessError(f"wanted a product [.., m] @ [m, n], found {left._axes} @ {right._axes}")
        axes = (*left._axes[:-1], right._axes[1])
        self.matmul += 2 * _per_example(axes) * int(right._axes[0])
        return Symbol(self, axes)


def _refusing(operation: str) -> Callable[..., Any]:
    def method(*_: Any, **__: Any) -> NoReturn:
        raise refused(operation)

    return method


class Symbol:
    """An array of which nothing is known but its axes. Everything outside the vocabulary raises HarnessError.

    The one class with `__getattr__`: what a step must not touch cannot be listed.
    """

    def __init__(self, tally: Tally, axes: Axes, *, condition: bool = False) -> None:
        self._tally = tally
        self._axes = axes
        self._condition = condition

    def __add__(self, other: Any) -> "Symbol":
        return self._tally.each(self, other)

    __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __add__
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __add__

    def __neg__(self) -> "Symbol":
        return self._tally.each(self)

    def __matmul__(self, other: Any) -> "Symbol":
        return self._tally.product(self, other)

    def __rmatmul__(self, other: Any) -> "Symbol":
        return self._tally.product(other, self)

    def _compare(self, other: Any) -> "Symbol":
        return Symbol(self._tally, self._tally.each(self, other)._axes, condition=True)

    __lt__ = __le__ = __gt__ = __ge__ = _compare
    __eq__ = __ne__ = _compare  # type: ignore[assignment]

    @property
    def T(self) -> "Symbol":
        """The transpose of a parameter."""
        if len(self._axes) != 2 or BATCH in self._axes:
            raise refused(f"`.T` of an array {self._axes}, which is no matrix of parameters")
        return Symbol(self._tally, self._axes[::-1])

    def __getitem__(self, key: Any) -> "Symbol":
        match key:
            case (EllipsisType(), slice(start=start, stop=stop, step=None)) if _constants(start, stop):
                size = self._axes[-1]
                if isinstance(size, int) and (width := len(range(size)[start:stop])):
                    return Symbol(self._tally, (*self._axes[:-1], width))
        raise refused(f"the index {key!r} into an array {self._axes} (only a[..., i:j] with constants)")

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)  # Python's and NumPy's own probing
        raise refused(f"`.{name}`")

    def __array_ufunc__(self, ufunc: Any, *_: Any, **__: Any) -> NoReturn:
        raise refused(f"numpy.{ufunc.__name__} (a number from NumPy must be made Python's: float(…))")

    def __array_function__(self, function: Any, *_: Any, **__: Any) -> NoReturn:
        raise refused(f"numpy.{function.__name__}")

    @classmethod
    def __torch_function__(cls, function: Any, *_: Any, **__: Any) -> NoReturn:
        raise refused(f"torch.{function.__name__}")

    __bool__ = _refusing("a branch on data (bool of an array); `where` chooses")
    __len__ = _refusing("len of an array")
    __iter__ = _refusing("a loop over an array")
    __contains__ = _refusing("`in` an array")
    __setitem__ = _refusing("item assignment")
    __delitem__ = _refusing("item deletion")
    __float__ = _refusing("float of an array")
    __int__ = _refusing("int of an array")
    __index__ = _refusing("an array as an index")
    __array__ = _refusing("the conversion to a NumPy array")
    __abs__ = _refusing("abs(a), which is ops.abs(a)")
    __invert__ = _refusing("`~`")
    __mod__ = __rmod__ = _refusing("`%`")
    __floordiv__ = __rfloordiv__ = _refusing("`//`")
    __and__ = __rand__ = _refusing("`&`")
    __or__ = __ror__ = _refusing("`|`")
    __iadd__ = __isub__ = __imul__ = __itruediv__ = __ipow__ = __imatmul__ = _refusing(
        "an operation in place (`+=` and the like), which would change the caller's array"
    )


class RecordingOps:
    """`Ops` on symbols: the whole vocabulary and nothing else."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self.sigmoid = self.tanh = self.relu = self.exp = self.log = self._one
        self.softplus = self.sqrt = self.abs = self._one
        self.maximum = self.minimum = self._two

    def where(self, condition: Any, a: Any, b: Any) -> Symbol:
        """`condition` is a comparison."""
        if not (isinstance(condition, Symbol) and condition._condition):
            raise refused("ops.where without a comparison")
        plain = Symbol(self._tally, condition._axes)
        return self._tally.each(plain, a, b)

    def split(self, a: Symbol, n: int) -> Sequence[Symbol]:
        """`n` equal parts along the last axis."""
        size = a._axes[-1]
        if not isinstance(size, int) or size % n:
            raise HarnessError(f"wanted a last axis that divides into {n} equal parts, found {a._axes}")
        return [Symbol(self._tally, (*a._axes[:-1], size // n)) for _ in range(n)]

    def concat(self, arrays: Sequence[Symbol]) -> Symbol:
        """The parts joined along the last axis."""
        heads = {a._axes[:-1] for a in arrays}
        if len(heads) != 1:
            raise HarnessError(f"wanted arrays that differ in the last axis alone, found {[a._axes for a in arrays]}")
        return Symbol(self._tally, (*heads.pop(), sum(int(a._axes[-1]) for a in arrays)))

    def _one(self, a: Any) -> Symbol:
        return self._tally.each(a)

    def _two(self, a: Any, b: Any) -> Symbol:
        return self._tally.each(a, b)

    def __getattr__(self, name: str) -> NoReturn:
        raise refused(f"ops.{name}")


def refused(operation: str) -> HarnessError:
    """The error for what a step must not use."""
    functions = " ".join(name for name in vars(Ops) if not name.startswith("_"))
    hint = f"a step may use + - * / ** @, a[..., i:j], .T of a parameter, numbers, and of ops: {functions}"
    return HarnessError(f"the step uses {operation}", hint=hint)


def _operand(value: Any) -> Symbol | None:
    """A symbol, or None for a number."""
    if isinstance(value, Symbol):
        if value._condition:
            raise refused("a comparison outside ops.where")
        return value
    if isinstance(value, Real):
        return None
    raise refused(f"a {type(value).__name__} as an operand, which is neither a number nor an array of the step")


def _broadcast(shapes: Sequence[Axes]) -> Axes:
    if not shapes:
        raise refused("an operation on numbers alone")
    axes = []
    for sizes in zip_longest(*(shape[::-1] for shape in shapes), fillvalue=1):
        wide = {size for size in sizes if size != 1} or {1}
        if len(wide) > 1:
            raise HarnessError(f"wanted shapes that broadcast, found {[*shapes]}")
        axes.append(wide.pop())
    return tuple(axes[::-1])


def _per_example(axes: Axes) -> int:
    """How many elements an example has; 0 for arithmetic on parameters alone."""
    return prod(size for size in axes if isinstance(size, int)) if BATCH in axes else 0


def _constants(*bounds: Any) -> bool:
    return all(bound is None or isinstance(bound, int) for bound in bounds)
