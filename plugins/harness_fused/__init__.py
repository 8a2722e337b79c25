"""The backend `fused`: any cell's step, traced, differentiated and compiled into one loop, for the CPU."""

from dataclasses import dataclass

import harness
from harness.backend import Dtype
from harness.errors import HarnessError

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class FusedBackend:
    """The contributor's equation as a C++ kernel, forward and backward; compiled at first use.

    `recompute`: keeps states every so many steps only and runs the steps between again before their backward.
    """

    about = harness.About(name="fused", title="the cell's step, compiled into one fused loop")
    devices = ("cpu",)
    recompute: int | None = None

    def __post_init__(self) -> None:
        if self.recompute is not None and self.recompute < 1:
            raise HarnessError(f"wanted at least 1 for recompute, found {self.recompute}")

    def why_not(self, cell: harness.Cell, device: str, dtype: Dtype) -> str | None:
        """It needs a C++ compiler and a step that can be traced; it has one device and two number formats."""
        from harness_fused import compiler, tracing

        if device not in self.devices:
            return f"fused kernels run on the CPU, not on {device}"
        if dtype not in DTYPES:
            return f"fused kernels compute in {' and '.join(DTYPES)}, not in {dtype}"
        if compiler.compiler() is None:
            return f"no C++ compiler was found ({', '.join(compiler.COMPILERS)} or $CXX)"
        return tracing.why_not(cell)

    def text(self, cell: harness.Cell) -> str:
        """The generated C++: forward and backward arithmetic of one element."""
        from harness_fused.source import text_of

        return text_of(cell)

    def build(self, cell: harness.Cell, plan: harness.LayerPlan) -> harness.Layer:
        """The compiled cell behind a torch module."""
        from harness_fused.layer import FusedLayer

        return FusedLayer(cell, plan, self.recompute)


@harness.hookimpl
def harness_backends() -> list[harness.Backend]:
    """The one backend of this plugin."""
    return [FusedBackend()]
