"""A fused cell on CUDA: for each batch size a plan, its compiled text and the way its launches are made."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from harness.backend import Dtype
from harness.settings import LayerShape
from harness_fused.cuda import passes
from harness_fused.cuda.kernels import text
from harness_fused.cuda.machine import Machine
from harness_fused.cuda.passes import Stored, Way
from harness_fused.cuda.plan import DeviceFacts, DType, Plan, plan
from harness_fused.cuda.stretches import LONGEST, Stretches
from harness_fused.kernel import Kernel
from harness_fused.recurrence import Recurrence

STORED: dict[Dtype, DType] = {
    "float32": "float32",
    "tf32": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
}
"""What arrays hold; `tf32` differs in torch's products alone."""

Choose = Callable[[Recurrence, LayerShape, DType, DeviceFacts], Plan]


class CudaRunner:
    """Runs a kernel on a machine as `choose` plans it. `note`: how the last batch was run, and why."""

    def __init__(self, kernel: Kernel, dtype: Dtype, machine: Machine, choose: Choose = plan) -> None:
        self._kernel, self._dtype, self._machine, self._choose = kernel, dtype, machine, choose
        self._stored: DType = STORED[dtype]
        self._ways: dict[int, Way] = {}
        self._stretches = Stretches(machine)
        self.note = ""

    def __deepcopy__(self, memo: object) -> "CudaRunner":
        """Another one for the same machine: recordings are no two layers'."""
        return CudaRunner(self._kernel, self._dtype, self._machine, self._choose)

    def forward(self, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], Sequence[Tensor]]:
        """y, the final states, and with `keep` what backward needs beside inputs and y."""
        with self._alone(inputs[0]):
            way = self.way(inputs[0])
            y, final, stored = self._passes(way).forward(way, inputs, keep)
        return y, final, [stored.others, stored.kept] if stored else []

    def backward(
        self,
        inputs: Sequence[Tensor],
        stored: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """The gradients of the inputs that are `needed`; `stored`: y and what forward kept."""
        with self._alone(inputs[0]):
            way = self.way(inputs[0])
            return self._passes(way).backward(way, inputs, Stored(*stored), cotangents, needed)

    def way(self, x: Tensor) -> Way:
        """How an input [T, B, I] is run; planned and compiled when the first of its batch size comes."""
        T, B, I = x.shape
        if B not in self._ways:
            recurrence = self._kernel.recurrence
            shape = LayerShape(batch=B, length=T, hidden=recurrence.hidden, inputs=I)
            found = self._choose(recurrence, shape, self._stored, self._machine.facts)
            self._ways[B] = Way(self._kernel, found, self._machine.launcher(text(recurrence, found), found))
        way = self._ways[B]
        recorded = f" in CUDA graphs of up to {LONGEST} steps" if self._passes(way) is self._stretches else ""
        self.note = f"{way.plan.route}{recorded}, {way.plan.reason}"
        return way

    @contextmanager
    def _alone(self, x: Tensor) -> Iterator[None]:
        """On the machine, out of reach of a user's autocast: kernels read products in the layer's own format."""
        with self._machine.current(), torch.autocast(x.device.type, enabled=False):
            yield

    def _passes(self, way: Way) -> Any:
        # Where nothing can be recorded launches go one by one, into a user's own graph perhaps.
        return self._stretches if way.plan.route == "steps" and self._machine.records else passes
