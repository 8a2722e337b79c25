"""The translation unit of a plan: generated arithmetic between the driver's parts, nothing included from outside."""

from harness_fused.cuda.plan import Plan
from harness_fused.recurrence import Recurrence


def text(recurrence: Recurrence, plan: Plan) -> str:
    """CUDA C++17 for NVRTC, whole: no `#include`. The emulation compiles the same text behind its own preamble."""
    raise NotImplementedError
