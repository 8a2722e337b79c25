"""Both directions of a fused cell on CUDA, as torch sees them: large products here, the recurrent part by launches."""

from collections.abc import Callable, Mapping

from torch import Tensor

from harness_fused.cuda.plan import Launch

Launcher = Callable[[Launch, Mapping[str, Tensor | int | None]], None]
"""Starts a kernel of an already loaded text on the current stream. Values by argument name: a contiguous tensor stands
for its address, None for 0. The emulation is one such launcher, `cuda.core` the other."""
