"""Facts about the machine and the versions, and the fingerprint of what matters for speed."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from harness.canonical import digest
from harness.threads import blas

PACKAGES = ("cell-harness", "torch", "numpy", "scipy", "pandas", "memray")
VARIABLES = ("OMP_", "MKL_", "OPENBLAS_", "KMP_", "GOMP_", "MALLOC_", "CUDA_", "CUBLAS_", "TORCH_", "PYTORCH_")
FINGERPRINT = ("cpu", "cores", "blas", "torch", "numpy", "python", "system", "gpu")


def facts(device: str = "cpu") -> dict[str, Any]:
    """What is known of this machine: processor, cores, memory, system, versions, BLAS kernel, preset variables."""
    import numpy  # noqa: F401 -- its BLAS is seen only once it is loaded
    import psutil

    found: dict[str, Any] = {
        "cpu": _cpu(),
        "cores": allowed_cores(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "blas": blas(),
        "commit": _commit(),
        "variables": {k: v for k, v in sorted(os.environ.items()) if k.startswith(VARIABLES)},
        "gpu": _gpu() if device == "cuda" else "",
    }
    return found | {name.replace("-", "_"): _version(name) for name in PACKAGES}


def allowed_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fingerprint(found: dict[str, Any]) -> str:
    """12 hexadecimal digits over the facts that matter for speed and memory."""
    return digest({name: found[name] for name in FINGERPRINT}, length=12)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _gpu() -> str:
    """Name and driver as NVIDIA's tool tells them, without touching CUDA here."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _commit() -> str:
    """The commit this package is run from, `-dirty` if changed; empty outside a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
