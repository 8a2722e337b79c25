"""A fused cell on CUDA: for each batch size a plan, its compiled text and the way its launches are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from harness.backend import Dtype
from harness.settings import LayerShape
from harness_fused.cuda import passes
from harness_fused.cuda.kernels import text
from harness_fused.cuda.machine import Machine
from harness_fused.cuda.passes import Launcher, Stored
from harness_fused.cuda.plan import DType, Plan, Route, plan
from harness_fused.cuda.stretches import LONGEST, Stretches
from harness_fused.kernel import Kernel

STORED: dict[Dtype, DType] = {
    "float32": "float32",
    "tf32": "float32",
    "bfloat16": "bfloat16",
    "float16": "float16",
}
"""What arrays hold; `tf32` differs in torch's products alone."""


@dataclass(frozen=True, slots=True)
class Way:
    """How one batch size is run; `passes`: the module of that name, or its functions by recordings."""

    plan: Plan
    launcher: Launcher
    passes: Any


class CudaRunner:
    """Runs a kernel on a machine; `route` overrides the plan's choice. `note`: how the last batch was run, and why."""

    def __init__(self, kernel: Kernel, dtype: Dtype, machine: Machine, route: Route | None = None) -> None:
        self._kernel, self._dtype, self._machine, self._route = kernel, dtype, machine, route
        self._stored: DType = STORED[dtype]
        self._ways: dict[int, Way] = {}
        self.note = ""

    def __deepcopy__(self, memo: object) -> "CudaRunner":
        """Another one for the same machine: recordings are no two layers'."""
        return CudaRunner(self._kernel, self._dtype, self._machine, self._route)

    def forward(self, inputs: Sequence[Tensor], keep: bool) -> tuple[Tensor, tuple[Tensor, ...], Sequence[Tensor]]:
        """y, the final states, and with `keep` what backward needs beside y."""
        with self._machine.current():
            way = self.way(inputs[0])
            y, final, stored = way.passes.forward(self._kernel, way.plan, way.launcher, inputs, keep)
        return y, final, [stored.others, stored.kept] if stored else []

    def backward(
        self,
        inputs: Sequence[Tensor],
        stored: Sequence[Tensor],
        cotangents: Sequence[Tensor | None],
        needed: Sequence[bool],
    ) -> list[Tensor | None]:
        """The gradients of the inputs that are `needed`; `stored`: y and what forward kept."""
        y, others, kept = stored
        with self._machine.current():
            way = self.way(inputs[0])
            return way.passes.backward(
                self._kernel, way.plan, way.launcher, inputs, y, Stored(others, kept), cotangents, needed
            )

    def way(self, x: Tensor) -> Way:
        """How an input [T, B, I] is run; planned and compiled when the first of its batch size comes."""
        T, B, I = x.shape
        if B not in self._ways:
            shape = LayerShape(batch=B, length=T, hidden=self._kernel.recurrence.hidden, inputs=I)
            found = plan(self._kernel.recurrence, shape, self._stored, self._machine.facts, route=self._route)
            launcher = self._machine.launcher(text(self._kernel.recurrence, found), found)
            self._ways[B] = Way(found, launcher, Stretches(self._machine) if found.route == "steps" else passes)
        way = self._ways[B]
        recorded = f" in CUDA graphs of up to {LONGEST} steps" if way.plan.route == "steps" else ""
        self.note = f"{way.plan.route}{recorded}, {way.plan.reason}"
        return way
