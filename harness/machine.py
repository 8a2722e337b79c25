"""Facts about machine and software, the fingerprint of those that matter for speed, and the load of the moment.

Facts go into every run's `run.json`. None of them names a person, a host or a home folder.
"""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.canonical import digest
from harness.environment import presets
from harness.errors import HarnessError
from harness.processor import processor
from harness.software import GPU_LIBRARIES, installed, software
from harness.threads import require as require_cores

FINGERPRINT = (
    *("cpu", "cpu_flags", "hypervisor", "cores", "cpu_quota", "memory_class", "smt", "governor", "turbo", "huge_pages"),
    *("address_layout", "clocksource", "system", "libc", "python", "blas", "torch", "torch_build", "numpy"),
    *("variables", "gpu"),
)
"""The facts that move times or the allocator. What changes by itself (load, free memory) is not among them."""
NOT_OF_SPEED = ("CUDA_VISIBLE_DEVICES",)
"""Recorded variables that only choose among equals."""

CUDA_DEVICES = ("nvidia[0-9]*", "nvhost-gpu", "nvgpu", "dxg", "kfd")
"""What a CUDA device looks like in /dev: of a card, of a board, behind Windows, and what torch on ROCm calls CUDA."""


def facts(device: str = "cpu") -> dict[str, Any]:
    """What is known of this machine and its software, a fifth of a second's work; torch is not imported."""
    return processor() | software() | {"variables": presets(), "gpu": _gpu() if device == "cuda" else ""}


def allowed_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require(device: str, threads: int = 1) -> None:
    """Raises HarnessError where this machine has not the device, or fewer cores than threads. Imports no torch."""
    if device == "cuda" and (reason := _why_no_cuda()):
        raise HarnessError(f"wanted a CUDA device, found none: {reason}", hint="--device cpu")
    require_cores(threads)


def fingerprint(found: Mapping[str, Any]) -> str:
    """12 hexadecimal digits over the facts that matter for speed and memory; with a GPU, NVIDIA's libraries too."""
    libraries = [name.replace("-", "_") for name in GPU_LIBRARIES] if found.get("gpu") else []
    return digest({name: relevant(found, name) for name in (*FINGERPRINT, *libraries)}, length=12)


def described(found: Mapping[str, Any]) -> dict[str, Any]:
    """The facts with their fingerprint."""
    return {**found, "fingerprint": fingerprint(found)}


def relevant(found: Mapping[str, Any], name: str) -> Any:
    """What the fingerprint takes from a fact; "" for one that was not recorded."""
    fact = found.get(name, "")
    if name == "variables" and isinstance(fact, dict):
        return {key: value for key, value in fact.items() if key not in NOT_OF_SPEED}
    return fact


def load() -> dict[str, Any]:
    """How busy the machine is: runnable processes over 1, 5 and 15 minutes; share of time some task had to wait, %."""
    found: dict[str, Any] = {"average": [round(load, 2) for load in os.getloadavg()]}
    try:
        some = Path("/proc/pressure/cpu").read_text("utf-8").splitlines()[0].split()
        return found | {"pressure_percent": float(some[1].removeprefix("avg10="))}
    except (OSError, ValueError, IndexError):
        return found


def _why_no_cuda() -> str:
    """Why no trial could use CUDA here, from what costs nothing to ask; "" where nothing speaks against it."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return "CUDA_VISIBLE_DEVICES hides every device"
    if installed("torch").endswith("+cpu"):
        return "this torch is built without CUDA"
    if not any(any(Path("/dev").glob(pattern)) for pattern in CUDA_DEVICES):
        return "there is no such device in /dev"
    return ""


def _gpu() -> str:
    """Name and driver as NVIDIA's tool tells them, without touching CUDA here; which is visible where they differ."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    kinds = sorted({line.strip() for line in told})
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    return kinds[0] if len(kinds) == 1 else f"{'; '.join(kinds)} (visible: {visible})"
