"""Runs a plan's kernels on the CPU: the same text behind driver/emulation.hpp, compiled by g++ or clang++.

For tests and rehearsals, on small shapes: it finds errors of indexing, of bounds and of barriers, not of speed.
"""

import ctypes
from collections.abc import Mapping

from torch import Tensor

from harness.errors import HarnessError
from harness_fused.compiler import load
from harness_fused.cuda.kernels import DRIVER
from harness_fused.cuda.plan import Launch, Plan

FLAGS = ("-O0",)
"""What is emulated is small: compiling takes longer than running."""
FAILURES = {1: "it waits for ever: a barrier that not everybody reaches", 2: "a write behind the end of shared memory"}


class Emulation:
    """A launcher (see passes.py) whose GPU is a CPU. `seed` decides in which order threads run."""

    def __init__(self, text: str, plan: Plan, seed: int = 0) -> None:
        preamble = (DRIVER / "emulation.hpp").read_text(encoding="utf-8")
        names = "\n".join(f"EMULATE({name})" for name in sorted({launch.kernel for launch in plan.launches}))
        self._library = load(f"{preamble}\n{text}\n}}  // namespace\n{names}\n", FLAGS)
        self._seed = seed

    def __call__(self, launch: Launch, given: Mapping[str, Tensor | int | None]) -> None:
        """Runs one kernel to its end. Raises HarnessError where it would never end, or writes where it may not."""
        values = (ctypes.c_int64 * len(launch.arguments))(*(address(given.get(name)) for name in launch.arguments))
        numbers = (launch.grid, launch.block, launch.shared_bytes, self._seed)
        status = getattr(self._library, f"launch_{launch.kernel}")(values, *map(ctypes.c_int64, numbers))
        self._seed += 1
        if status:
            raise HarnessError(f"the kernel {launch.kernel} failed in the emulation: {FAILURES[status]}")


def address(given: Tensor | int | None) -> int:
    """A kernel's argument: an array's address, 0 for none, or the number. Raises HarnessError for a strided tensor."""
    if isinstance(given, Tensor):
        if not given.is_contiguous():
            raise HarnessError("wanted a contiguous tensor as a kernel's argument, found one that is not")
        return given.data_ptr()
    return given or 0
