"""Where a part runs: the GPU, or in a rehearsal the emulation."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from harness.about import About
from harness.backend import Dtype, Layer, LayerPlan
from harness.cell import Cell
from harness.errors import HarnessError
from harness.settings import LayerShape
from harness_cells import harness_cells
from harness_fused.cuda.machine import Emulated, Machine, gpu_of
from harness_fused.cuda.plan import DeviceFacts, DType, Plan, Route, plan
from harness_fused.cuda.runner import CudaRunner
from harness_fused.kernel import kernel_of
from harness_fused.layer import FusedLayer
from harness_fused.recurrence import Recurrence

ROUTES: tuple[Route, ...] = ("block", "grid", "steps")
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16", "float16")
SMALL_GPU = DeviceFacts(multiprocessors=6, shared_bytes=60_000)
"""What a rehearsal pretends to have: small, so that small shapes need several blocks."""


@dataclass(frozen=True, slots=True)
class Place:
    """A machine by torch's name of its device."""

    device: str
    machine: Machine

    @property
    def rehearsal(self) -> bool:
        """Whether there is no GPU in it."""
        return self.device == "cpu"


@dataclass(frozen=True)
class Routed:
    """A backend as `conformance.examine` wants one: fused at a place by one route, wherever that route is possible."""

    place: Place
    route: Route | None
    about = About(name="fused", title="fused kernels by one route")

    @property
    def devices(self) -> tuple[str, ...]:
        """The place's."""
        return (self.place.device,)

    def why_not(self, cell: Cell, device: str, dtype: Dtype) -> str | None:
        """Nothing is asked before it is tried."""
        return None

    def text(self, cell: Cell) -> str:
        """See the backend fused."""
        return ""

    def build(self, cell: Cell, plan: LayerPlan) -> Layer:
        """The layer."""
        kernel = kernel_of(cell, replace(plan, dtype="float32"))
        return FusedLayer(cell, plan, CudaRunner(kernel, plan.dtype, self.place.machine, self.choose))

    def choose(self, recurrence: Recurrence, shape: LayerShape, dtype: DType, facts: DeviceFacts) -> Plan:
        """By the route if it can, else by the plan's own choice: few units make no grid."""
        try:
            return plan(recurrence, shape, dtype, facts, route=self.route)
        except HarnessError:
            return plan(recurrence, shape, dtype, facts)


def place_of(rehearse: bool) -> Place:
    """The current GPU, or the emulation of a small one."""
    return Place("cpu", Emulated(SMALL_GPU)) if rehearse else Place("cuda", gpu_of("cuda"))


@cache
def cells() -> Mapping[str, Cell]:
    """The shipped cells by name."""
    return {cell.about.name: cell for cell in harness_cells()}
