"""The arithmetic a cell's `step` is written in, on NumPy arrays and on torch tensors.

Beside these functions a step uses `+ - * / ** @`, comparisons (for `where`), `a[..., i:j]` with constants,
`.T` of a parameter, and numbers. Nothing else: no shape reads, no assignment, no reduction, no branching on
data. That is what lets the same text run as the float64 reference, under autograd, and be traced and compiled.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import torch

Array = Any
"""A NumPy array, a torch tensor or a tracer: whatever the `Ops` at hand works on."""


class Ops(Protocol):
    """The whole vocabulary of a step; every function is elementwise but `split` and `concat` (last axis)."""

    def sigmoid(self, a: Array) -> Array: ...
    def tanh(self, a: Array) -> Array: ...
    def relu(self, a: Array) -> Array: ...
    def exp(self, a: Array) -> Array: ...
    def log(self, a: Array) -> Array: ...
    def softplus(self, a: Array) -> Array: ...
    def sqrt(self, a: Array) -> Array: ...
    def abs(self, a: Array) -> Array: ...
    def maximum(self, a: Array, b: Array) -> Array: ...
    def minimum(self, a: Array, b: Array) -> Array: ...
    def where(self, condition: Array, a: Array, b: Array) -> Array: ...
    def split(self, a: Array, n: int) -> Sequence[Array]: ...
    def concat(self, arrays: Sequence[Array]) -> Array: ...


class NumpyOps:
    """`Ops` on NumPy arrays, in the arrays' own precision; the reference runs it in float64."""

    def __init__(self) -> None:
        import numpy

        self._np = numpy

    def sigmoid(self, a: Array) -> Array:
        """1 / (1 + exp(−a)), through tanh so that no exponential overflows."""
        return 0.5 * self._np.tanh(0.5 * a) + 0.5

    def tanh(self, a: Array) -> Array:
        return self._np.tanh(a)

    def relu(self, a: Array) -> Array:
        return self._np.maximum(a, 0)

    def exp(self, a: Array) -> Array:
        return self._np.exp(a)

    def log(self, a: Array) -> Array:
        return self._np.log(a)

    def softplus(self, a: Array) -> Array:
        """log(1 + exp(a)), without overflow."""
        return self._np.logaddexp(a, 0)

    def sqrt(self, a: Array) -> Array:
        return self._np.sqrt(a)

    def abs(self, a: Array) -> Array:
        return self._np.abs(a)

    def maximum(self, a: Array, b: Array) -> Array:
        return self._np.maximum(a, b)

    def minimum(self, a: Array, b: Array) -> Array:
        return self._np.minimum(a, b)

    def where(self, condition: Array, a: Array, b: Array) -> Array:
        return self._np.where(condition, a, b)

    def split(self, a: Array, n: int) -> Sequence[Array]:
        """`n` equal parts along the last axis."""
        return self._np.split(a, n, axis=-1)

    def concat(self, arrays: Sequence[Array]) -> Array:
        """The parts joined along the last axis."""
        return self._np.concatenate(arrays, axis=-1)


class TorchOps:
    """`Ops` on torch tensors, differentiable; torch is imported when the first one is made."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self.sigmoid = torch.sigmoid
        self.tanh = torch.tanh
        self.relu = torch.relu
        self.exp = torch.exp
        self.log = torch.log
        self.sqrt = torch.sqrt
        self.abs = torch.abs
        self.where = torch.where

    def softplus(self, a: Array) -> Array:
        """log(1 + exp(a)) exactly (torch's own softplus becomes linear above a threshold)."""
        return self._torch.logaddexp(a, self._torch.zeros((), dtype=a.dtype, device=a.device))

    def maximum(self, a: Array, b: Array) -> Array:
        return self._torch.maximum(*self._tensors(a, b))

    def minimum(self, a: Array, b: Array) -> Array:
        return self._torch.minimum(*self._tensors(a, b))

    def split(self, a: Array, n: int) -> Sequence[Array]:
        """`n` equal parts along the last axis."""
        if a.shape[-1] % n:
            raise ValueError(f"a last axis of {a.shape[-1]} does not divide into {n} equal parts")
        return self._torch.chunk(a, n, dim=-1)

    def concat(self, arrays: Sequence[Array]) -> Array:
        """The parts joined along the last axis."""
        return self._torch.cat(list(arrays), dim=-1)

    def _tensors(self, a: Array, b: Array) -> tuple["torch.Tensor", "torch.Tensor"]:
        like = a if isinstance(a, self._torch.Tensor) else b
        return (
            self._torch.as_tensor(a, dtype=like.dtype, device=like.device),
            self._torch.as_tensor(b, dtype=like.dtype, device=like.device),
        )
