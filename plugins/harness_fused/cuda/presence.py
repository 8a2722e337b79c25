"""Whether fused kernels can run on CUDA here: cheap facts, found without touching torch or the GPU."""

import ctypes
import os
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from harness_fused.cuda import nvrtc

DRIVERS = ("libcuda.so.1", "nvcuda.dll")

UNCACHED = "PYTORCH_NO_CUDA_MEMORY_CACHING"
"""Set, torch asks the driver for every tensor's memory: what compute-sanitizer's memcheck needs."""


def why_not() -> str | None:
    """The first thing that is missing, or None: the driver, a torch for CUDA, cuda.core, NVRTC."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every GPU"
    if not _has_driver():
        return "no GPU: NVIDIA's driver is not installed"
    if _torch().endswith("+cpu"):
        return f"torch {_torch()} was built without CUDA"
    if not _has_core():
        return f"no cuda.core: {nvrtc.HINT}"
    return nvrtc.why_not()


@cache
def _has_driver() -> bool:
    """Whether the driver's library can be loaded; it is not started, for a started driver does not survive a fork."""
    for name in DRIVERS:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return True
    return False


def _torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


def _has_core() -> bool:
    try:
        return find_spec("cuda.core") is not None
    except ModuleNotFoundError:  # of the package `cuda` above it
        return False
