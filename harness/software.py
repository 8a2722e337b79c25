"""Versions, the commit with a digest of what differs from it, torch's binaries, and NumPy's BLAS."""

import hashlib
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

from harness.bench.pools import pools
from harness.threads import blas

GPU_LIBRARIES = ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13", "nvidia-cublas-cu12", "nvidia-cublas")
PACKAGES = (
    *("cell-harness", "torch", "numpy", "scipy", "pandas", "memray", "threadpoolctl", "pluggy", "nvidia-ml-py"),
    *GPU_LIBRARIES,
)


def software() -> dict[str, Any]:
    """Python, packages by name with `_` for `-` ("" where one is not installed), commit, torch's build, BLAS."""
    import numpy  # noqa: F401 -- its BLAS is seen only once it is loaded

    commit, difference = commit_of(Path(__file__).parent)
    return {
        "python": platform.python_version(),
        "blas": blas(),
        "pools": [
            f"{pool['internal_api']} {pool['num_threads']} thread{'s' * (pool['num_threads'] != 1)}" for pool in pools()
        ],
        "commit": commit,
        "difference": difference,
        "torch_build": torch_build(),
    } | {name.replace("-", "_"): installed(name) for name in PACKAGES}


def torch_build() -> str:
    """12 hexadecimal digits over torch's own libraries, in which all its flags are; "" where torch is not installed.

    Read from what the installer wrote down: importing torch to ask it takes a second.
    """
    try:
        listed = distribution("torch").read_text("RECORD") or ""
    except PackageNotFoundError:
        return ""
    binaries = sorted(line for line in listed.splitlines() if line.startswith(("torch/lib/", "torch/_C")))
    return hashlib.sha256("\n".join(binaries).encode()).hexdigest()[:12] if binaries else ""


def commit_of(folder: Path) -> tuple[str, str]:
    """The commit that a folder's files are from, `-dirty` if tracked files differ, and a digest of the difference.

    Both are empty outside a repository, and where the folder merely lies in one and belongs to nobody.
    """
    if not _git(folder, "ls-files", "."):
        return "", ""
    commit = _git(folder, "describe", "--always", "--dirty", "--exclude", "*").decode("utf-8", "replace").strip()
    if not commit.endswith("-dirty"):
        return commit, ""
    difference = _git(folder, "diff", "HEAD", "--binary", "--no-ext-diff", "--no-color")
    return commit, hashlib.sha256(difference).hexdigest()[:12]


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, timeout=20).stdout
    except (OSError, subprocess.SubprocessError):
        return b""


def installed(package: str) -> str:
    """The version of a package; "" where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
