"""How many threads a process computes on, and where: set it, verify it, name the library that does the products."""

from pathlib import Path

from harness.bench.pools import pools, wrong_pools
from harness.errors import HarnessError
from harness.processor import usable_cores


def require(threads: int) -> None:
    """Raises HarnessError for more threads than there are cores: they would wait for each other's, and be timed."""
    if threads > (cores := usable_cores()):
        raise HarnessError(
            f"wanted no more threads than the {cores} core{'s' * (cores != 1)} this process may use, found {threads}",
            hint=f"--threads {cores}",
        )


def fix(threads: int) -> None:
    """Sets torch's pool in this process; NumPy's BLAS took its own size from the environment when it was loaded.

    Raises HarnessError for more threads than there are cores.
    """
    import torch

    require(threads)
    torch.set_num_threads(threads)


def verify(threads: int) -> None:
    """Raises HarnessError unless torch and every pool loaded into this process have exactly so many threads."""
    if wrong := wrong_pools(threads):
        raise HarnessError(
            f"wanted every pool on {threads} thread{'s' if threads > 1 else ''}, found: {wrong}",
            hint=f"start with OMP_NUM_THREADS={threads} and OPENBLAS_NUM_THREADS={threads}",
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
