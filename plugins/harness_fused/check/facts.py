"""What the machine is: hardware, driver, versions. One row."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from harness_fused.check.place import Place
from harness_fused.cuda import nvrtc

PACKAGES = ("torch", "numpy", "cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc", "nvidia-cudnn-cu13", "nvidia-cublas")
SMI = "name,driver_version,memory.total,clocks.max.sm,clocks.sm,power.limit,ecc.mode.current,mig.mode.current"


def items(place: Place) -> list[str]:
    """The machine."""
    return ["machine"]


def row(place: Place, item: str) -> dict[str, Any]:
    """Everything that a figure of this machine depends on."""
    facts = place.machine.facts
    found: dict[str, Any] = {
        "python": platform.python_version(),
        "multiprocessors": facts.multiprocessors,
        "shared_bytes": facts.shared_bytes,
        "registers": facts.registers,
        "capability": list(facts.capability),
        "nvrtc": nvrtc.why_not() or nvrtc.version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }
    if place.rehearsal:
        return found
    properties: Any = torch.cuda.get_device_properties(0)
    return found | {
        "gpu": properties.name,
        "memory_bytes": properties.total_memory,
        "l2_bytes": getattr(properties, "L2_cache_size", 0),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "nvidia_smi": _smi(),
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _smi() -> str:
    command = ["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
