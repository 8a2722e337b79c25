"""The translation unit of a plan: generated arithmetic between the driver's parts, nothing included from outside."""

from pathlib import Path

from harness_fused.cuda.plan import DType, Plan
from harness_fused.differentiate import differentiate
from harness_fused.phases import phases_of
from harness_fused.recurrence import Recurrence
from harness_fused.source import emit
from harness_fused.storing import store

DRIVER = Path(__file__).parent / "driver"
ELEMENTS: dict[DType, str] = {"float32": "float", "bfloat16": "Bfloat", "float16": "Half"}


def text(recurrence: Recurrence, plan: Plan) -> str:
    """CUDA C++17 for NVRTC, whole: no `#include`. The emulation compiles the same behind its own preamble."""
    phase = phases_of(recurrence)
    storage = store(recurrence, differentiate(recurrence))
    phases = [str(phase[node]) for node in storage.kept] or ["0"]
    together = ("product", "place", "forward", "backward", "sequence")
    parts = ("steps",) if plan.route == "steps" else together
    return "\n".join(
        [
            *(f"constexpr int {name} = {value};" for name, value in plan.constants),
            "#ifndef EMULATED",
            _part("device"),
            "#endif",
            _part("numbers"),
            f"using E = {ELEMENTS[plan.dtype]};",
            "namespace cell {",
            emit(recurrence, ""),
            "}  // namespace cell",
            f"constexpr int KEPT_PHASE[] = {{{', '.join(phases)}}};",
            *map(_part, ("call", "element", "gradients")),
            *map(_part, parts),
            *(f"STEP_KERNELS({k})" for k in range(recurrence.phases) if plan.route == "steps"),
            "",
        ]
    )


def _part(name: str) -> str:
    return (DRIVER / f"{name}.cuh").read_text(encoding="utf-8")
