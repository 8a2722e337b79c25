"""From CUDA text to machine code, compiled at first use by NVRTC and kept in the user's cache folder.

It needs the pip packages of the extra `cuda` and nothing else: no nvcc, no headers, not even a GPU. NVRTC is asked
through `cuda.bindings`, the layer below `cuda.core`: the same calls in every version, and no driver needed.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from harness import cache as kept
from harness.errors import HarnessError

OPTIONS = ("--std=c++17", "--ptxas-options=-v")
"""No fast math: float32 is what the equation says."""

HINT = "pip install cuda-core cuda-bindings nvidia-cuda-nvrtc (the extra `cuda`)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What one kernel takes: registers a thread, bytes a thread spills to memory, bytes of static shared memory."""

    registers: int
    spilled: int
    shared: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Binary:
    """A compiled text: a cubin for one architecture ("sm_90"), and what its kernels take, by name."""

    code: bytes
    architecture: str
    usage: Mapping[str, Usage]


def why_not() -> str | None:
    """Why nothing can be compiled, or None. Loads NVRTC; touches no GPU and no driver."""
    try:
        version()
    except HarnessError as problem:
        return str(problem)
    return None


@cache
def version() -> str:
    """NVRTC's own: "13.0". Raises HarnessError where a package or the library is missing."""
    try:
        from cuda.bindings import nvrtc

        major, minor = _checked(nvrtc.nvrtcVersion())
    except ImportError as missing:
        raise HarnessError(f"no NVRTC: the package {missing.name} is not installed", hint=HINT) from missing
    except (RuntimeError, OSError) as missing:  # what cuda.bindings raises where it finds no library
        raise HarnessError("no NVRTC: libnvrtc was not found", hint=HINT) from missing
    return f"{major}.{minor}"


@cache
def binary(text: str, architecture: str) -> Binary:
    """The machine code of a text that includes nothing; compiled unless that was done before.

    Any number of threads and processes may ask at once; a damaged file is compiled anew. Raises HarnessError without
    NVRTC, and in the compiler's first words for a text that it refuses.
    """
    options = (*OPTIONS, f"--gpu-architecture={architecture}")
    key = hashlib.sha256("\0".join([text, *options, version()]).encode()).hexdigest()
    found = kept.arrays(f"fused-{architecture}", key, lambda: _compiled(text, options))
    log = found["log"].tobytes().decode()
    return Binary(code=found["code"].tobytes(), architecture=architecture, usage=dict(usage_in(log)))


def usage_in(log: str) -> Iterator[tuple[str, Usage]]:
    """What the kernels of a compilation take, read from its log (`--ptxas-options=-v`)."""
    for part in log.split("Compiling entry function '")[1:]:
        stores, loads = (_number(rf"(\d+) bytes spill {kind}", part) for kind in ("stores", "loads"))
        yield (
            part.partition("'")[0],
            Usage(
                registers=_number(r"Used (\d+) registers", part),
                spilled=stores + loads,
                shared=_number(r"(\d+) bytes smem", part),
            ),
        )


def _compiled(text: str, options: tuple[str, ...]) -> dict[str, Any]:
    from cuda.bindings import nvrtc

    program = _checked(nvrtc.nvrtcCreateProgram(text.encode(), b"cell.cu", 0, [], []))
    try:
        status, *_ = nvrtc.nvrtcCompileProgram(program, len(options), [option.encode() for option in options])
        log = bytearray(_checked(nvrtc.nvrtcGetProgramLogSize(program)))
        _checked(nvrtc.nvrtcGetProgramLog(program, log))
        if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
            raise HarnessError(f"NVRTC {version()} could not compile a cell: {_first_error(log, status)}")
        code = bytearray(_checked(nvrtc.nvrtcGetCUBINSize(program)))
        _checked(nvrtc.nvrtcGetCUBIN(program, code))
    finally:
        nvrtc.nvrtcDestroyProgram(program)
    return {name: np.frombuffer(content, np.uint8) for name, content in (("code", code), ("log", log))}


def _first_error(log: bytearray, status: object) -> str:
    """The first line that says error, else why there is none."""
    lines = log.decode(errors="replace").strip("\0\n ").splitlines()
    return next((line.strip() for line in lines if "error" in line), f"{status}; {' '.join(lines[:1])}".rstrip("; "))


def _checked(returned: tuple[Any, ...]) -> Any:
    """What a call of cuda.bindings gave beside its status. Raises HarnessError where that is a failure."""
    status, *values = returned
    if int(status):
        raise HarnessError(f"NVRTC failed: {status}")
    return values[0] if len(values) == 1 else tuple(values)


def _number(pattern: str, text: str) -> int:
    found = re.search(pattern, text)
    return int(found[1]) if found else 0
