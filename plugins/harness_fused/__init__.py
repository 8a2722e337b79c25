"""The backend `fused`: any cell's step, traced, differentiated and compiled into one loop, for the CPU and for CUDA."""

from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import harness
from harness.backend import Dtype
from harness.errors import HarnessError

DTYPES: dict[str, tuple[Dtype, ...]] = {
    "cpu": ("float32", "float64"),
    "cuda": ("float32", "tf32", "bfloat16", "float16"),
}
"""By device. On CUDA everything is computed in float32 and only stored in the number format; with `tf32` the products
outside the recurrence may be TF32."""


@dataclass(frozen=True)
class FusedBackend:
    """The contributor's equation as a C++ or CUDA kernel, forward and backward; compiled at first use.

    `recompute`, on the CPU: keeps states every so many steps only and runs the steps between again before their
    backward. `route`, on CUDA: overrides the choice of harness_fused/cuda/plan.py.
    """

    about = harness.About(name="fused", title="the cell's step, compiled into one fused loop")
    devices = ("cpu", "cuda")
    recompute: int | None = None
    route: Literal["block", "grid", "steps"] | None = None

    def __post_init__(self) -> None:
        if self.recompute is not None and self.recompute < 1:
            raise HarnessError(f"wanted at least 1 for recompute, found {self.recompute}")

    def why_not(self, cell: harness.Cell, device: str, dtype: Dtype) -> str | None:
        """It needs a compiler for the device, a number format it has there, and a step that can be traced."""
        from harness_fused import compiler, tracing

        if device not in self.devices:
            return f"fused kernels run on {' and '.join(self.devices)}, not on {device}"
        if dtype not in DTYPES[device]:
            return f"fused kernels on {device} compute in {', '.join(DTYPES[device])}, not in {dtype}"
        if device == "cuda":
            from harness_fused.cuda import presence

            reason = "recompute is for the CPU" if self.recompute else presence.why_not()
        elif self.route:
            reason = "routes are for CUDA"
        else:
            reason = compiler.why_not()
        return reason or tracing.why_not(cell)

    def text(self, cell: harness.Cell) -> str:
        """The generated C++: forward and backward arithmetic of one element."""
        from harness_fused.source import text_of

        return text_of(cell)

    def build(self, cell: harness.Cell, plan: harness.LayerPlan) -> harness.Layer:
        """The compiled cell behind a torch module; on CUDA compiled for a batch size when its first input comes."""
        from harness_fused.kernel import kernel_of
        from harness_fused.layer import CpuRunner, FusedLayer

        if plan.device == "cpu":
            return FusedLayer(cell, plan, CpuRunner(kernel_of(cell, plan), self.recompute))
        from harness_fused.cuda.machine import gpu_of
        from harness_fused.cuda.plan import plan as plan_of
        from harness_fused.cuda.runner import CudaRunner

        kernel, choose = kernel_of(cell, replace(plan, dtype="float32")), partial(plan_of, route=self.route)
        return FusedLayer(cell, plan, CudaRunner(kernel, plan.dtype, gpu_of(plan.device), choose))


@harness.hookimpl
def harness_backends() -> list[harness.Backend]:
    """The one backend of this plugin."""
    return [FusedBackend()]
