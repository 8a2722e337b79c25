"""The environment variables of trials: which are fixed, which are left as they are and recorded, and nobody's name."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path

POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""The sizes of thread pools: every trial's own number of threads."""
FIXED = {"PYTHONHASHSEED": "0", "CUBLAS_WORKSPACE_CONFIG": ":4096:8", "PYTHONFAULTHANDLER": "1"}
"""The same for every trial."""

RECORDED = (
    *("ATEN_", "BLIS_", "CUBLAS_", "CUDA_", "CUDNN_", "DNNL_", "GOMP_", "KMP_", "MALLOC_", "MKL_", "NPY_", "NUMEXPR_"),
    *("NVIDIA_TF32_", "OMP_", "ONEDNN_", "OPENBLAS_", "PYTORCH_", "TORCH", "VECLIB_"),
    *("GLIBC_TUNABLES", "LD_PRELOAD", "PYTHONMALLOC", "PYTHONOPTIMIZE"),
)
"""How the names of variables begin that are known to change what is computed or how fast; no others are recorded."""


def presets(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that the runner leaves to the user and that may matter, by name, without private names."""
    kept = {name: value for name, value in environment.items() if name.startswith(RECORDED)}
    return {name: private(value) for name, value in sorted(kept.items()) if name not in {*POOLS, *FIXED}}


def private(text: str) -> str:
    """The text without the home folder, and without the user's and the host's name: results are made to be shown."""
    home, host = str(Path.home()), platform.node()
    if len(home) > 1:
        text = text.replace(home, "~")
    if home != "/" and (user := Path(home).name):
        text = re.sub(rf"(?<=/){re.escape(user)}(?=[/\s\"':]|$)", "user", text)
    return re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", "host", text) if host else text
