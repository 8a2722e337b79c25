"""How many threads a process computes on, and where: set it, verify it, name the library that does the products."""

from pathlib import Path
from typing import Any

from harness.errors import HarnessError


def fix(threads: int) -> None:
    """Sets torch's pool in this process; NumPy's BLAS took its own size from the environment when it was loaded."""
    import torch

    torch.set_num_threads(threads)


def verify(threads: int) -> None:
    """Raises HarnessError unless torch and every pool loaded into this process have exactly so many threads."""
    import torch

    found = {"torch": torch.get_num_threads()}
    found |= {f"{pool['internal_api']} ({pool['prefix']})": pool["num_threads"] for pool in pools()}
    wrong = [f"{name} has {count}" for name, count in sorted(found.items()) if count != threads]
    if wrong:
        raise HarnessError(
            f"wanted every pool on {threads} thread{'s' if threads > 1 else ''}, found: {', '.join(wrong)}",
            hint=f"start with OMP_NUM_THREADS={threads} and OPENBLAS_NUM_THREADS={threads}; more than there are cores "
            "is refused too",
        )


def blas() -> str:
    """The library and the kernel of NumPy's products, say `openblas SkylakeX 0.3.30`.

    The same whatever else is loaded: SciPy brings a BLAS of its own, which no step uses; torch's MKL is linked into
    it and cannot be seen from outside.
    """
    names = [
        f"{pool['internal_api']} {pool.get('architecture') or ''} {pool['version']}"
        for pool in pools()
        if pool["user_api"] == "blas" and not {"scipy.libs", "scipy", "torch"} & set(Path(pool["filepath"]).parts)
    ]
    return ", ".join(sorted({" ".join(name.split()) for name in names}))


def pools() -> list[dict[str, Any]]:
    """Every pool of threads that is loaded into this process, as threadpoolctl tells it."""
    import threadpoolctl

    found: list[dict[str, Any]] = threadpoolctl.threadpool_info()
    return found
