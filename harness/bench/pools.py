"""The pools of threads that are loaded into this process, and whether they have the size they should have."""

from typing import Any


def pools() -> list[dict[str, Any]]:
    """Every pool of threads that is loaded into this process, as threadpoolctl tells it."""
    import threadpoolctl

    found: list[dict[str, Any]] = threadpoolctl.threadpool_info()
    return found


def wrong_pools(threads: int) -> str:
    """torch's pool and those of `pools()` that have not exactly so many threads, in words; "" where all have."""
    import torch

    found = {"torch": torch.get_num_threads()}
    found |= {f"{pool['internal_api']} ({pool['prefix']})": pool["num_threads"] for pool in pools()}
    return ", ".join(f"{name} has {count}" for name, count in sorted(found.items()) if count != threads)
