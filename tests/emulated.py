"""A traced cell on the emulated GPU beside its own step in float64 and in the number format itself."""

import math
from dataclasses import dataclass

import torch

from harness.backend import LayerPlan
from harness.ops import TorchOps
from harness.settings import LayerShape
from harness_fused.cuda import passes
from harness_fused.cuda.emulation import Emulation
from harness_fused.cuda.kernels import text
from harness_fused.cuda.plan import DeviceFacts, plan
from harness_fused.kernel import kernel_of

SMALL = DeviceFacts(multiprocessors=6, shared_bytes=60_000)
"""A GPU on which small shapes take all routes, in several blocks."""


@dataclass(frozen=True)
class Subject:
    """A cell at a shape (T, B, I, H), planned; `weights`, `x`, `state` and cotangents drawn in its number format."""

    cell: object
    kernel: object
    plan: object
    inputs: list[torch.Tensor]
    cotangents: list[torch.Tensor]

    @property
    def text(self):
        return text(self.kernel.recurrence, self.plan)

    def on_gpu(self, seed=0, source=None):
        """y, the final states and the gradients of x, states and weights, from an emulated GPU."""
        launcher = Emulation(source or self.text, self.plan, seed)
        with _poisoned():
            way = passes.Way(self.kernel, self.plan, launcher)
            y, final, stored = passes.forward(way, self.inputs, keep=True)
            unkept, unkept_final, nothing = passes.forward(way, self.inputs, keep=False)
            gradients = passes.backward(way, self.inputs, stored, self.cotangents, [True] * len(self.inputs))
        assert nothing is None
        for one, other in zip((y, *final), (unkept, *unkept_final), strict=True):
            torch.testing.assert_close(one, other, rtol=2e-2 if y.dtype.itemsize == 2 else 1e-5, atol=1e-5)
        return [y, *final, *gradients]

    def by_step(self, dtype):
        """The same from the cell's own step."""
        leaves = [tensor.clone().to(dtype).requires_grad_() for tensor in self.inputs]
        x, *rest = leaves
        count = len(self.kernel.recurrence.next)
        state, weights = tuple(rest[:count]), dict(zip(self.kernel.shapes, rest[count:], strict=True))
        ys = []
        for step in x:
            state = tuple(self.cell.step(TorchOps(), weights, step, state))
            ys.append(state[0])
        outputs = [torch.stack(ys), *state]
        gradients = torch.autograd.grad(outputs, leaves, [c.to(dtype) for c in self.cotangents])
        return [tensor.detach() for tensor in (*outputs, *gradients)]


def subject(cell, shape, dtype="float32", route=None, device=SMALL, warps=2):
    """`shape`: (T, B, I, H)."""
    T, B, I, H = shape
    kernel = kernel_of(cell, LayerPlan(inputs=I, hidden=H))
    planned = plan(
        kernel.recurrence, LayerShape(batch=B, length=T, hidden=H, inputs=I), dtype, device, route=route, warps=warps
    )
    generator = torch.Generator().manual_seed(T * 1000 + B * 10 + H)

    def draw(*size, scale=1.0):
        return (torch.randn(*size, generator=generator, dtype=torch.float64) * scale).to(getattr(torch, dtype))

    count = len(kernel.recurrence.next)
    states = [draw(B, H) for _ in range(count)]
    weights = [draw(*size, scale=H**-0.5) for size in kernel.shapes.values()]
    cotangents = [draw(T, B, H), *(draw(B, H) for _ in range(count))]
    return Subject(cell, kernel, planned, [draw(T, B, I), *states, *weights], cotangents)


def errors(found, wanted):
    """‖Δ‖ / ‖wanted‖ of each array; not a number where one is not."""
    pairs = zip(found, wanted, strict=True)
    return [float((a.double() - b.double()).norm() / b.double().norm().clamp_min(1e-30)) for a, b in pairs]


def worst_excess(subject, **how):
    """How often the allowed error the worst array's is: twice that of the eager step in the same format, or float32's.

    Not a number is more than any.
    """
    dtype = subject.inputs[0].dtype
    wanted = subject.by_step(torch.float64)
    least = 1e-6 if dtype == torch.float32 else 1e-3
    eager = errors(subject.by_step(dtype), wanted)
    excess = [
        found / max(least, 2 * own) for found, own in zip(errors(subject.on_gpu(**how), wanted), eager, strict=True)
    ]
    return max(float("inf") if math.isnan(value) else value for value in excess)


class _poisoned:
    """Every tensor that torch does not fill holds NaN."""

    def __enter__(self):
        self._before = torch.are_deterministic_algorithms_enabled(), torch.utils.deterministic.fill_uninitialized_memory
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = True

    def __exit__(self, *_):
        torch.use_deterministic_algorithms(self._before[0])
        torch.utils.deterministic.fill_uninitialized_memory = self._before[1]
