"""`fused` beside torch.nn, JAX and ONNX Runtime: `python plugins/harness_fused/benchmark_peers.py [cell …]`.

Needs `pip install jax onnxruntime onnx` beside the harness. Prints one row per cell and shape: milliseconds of a train
step and of a forward pass of each (a dash where it has none), and the best of the others over ours. One thread, one
core; the sides take turns of five milliseconds or one call in one process; medians. Run it by its path.
"""

import os
import statistics
import sys
import time

SECONDS_A_ROW = 2.0


def main(cells: list[str]) -> None:
    """Prints the table for the named cells, all four if none is named."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from benchmark import CELLS, MODES, SHAPES

    from harness import threads

    threads.fix(1)
    head = "".join(
        f"{mode:>16}" + "".join(f"{name:>9}" for name in ("torch", "jax", "onnx", "ratio")) for mode in MODES
    )
    print(f"{'cell':17}{'B,T,H,I':>15}{head}")  # noqa: T201 -- a script
    ratios: dict[str, list[float]] = {}
    for cell in cells or CELLS:
        for shape in SHAPES:
            row = f"{cell:17}{','.join(map(str, shape)):>15}"
            for mode, works in _works(cell, shape).items():
                times = _medians(works)
                ratio = min(found for name, found in times.items() if name != "fused") / times["fused"]
                ratios.setdefault(f"{cell} {mode}", []).append(ratio)
                row += f"{times['fused']:16.3f}"
                row += "".join(f"{times[n]:9.3f}" if n in times else f"{'–':>9}" for n in ("torch", "jax", "onnx"))
                row += f"{ratio:9.2f}"
            print(row, flush=True)  # noqa: T201 -- a script
    means = [f"{name} {statistics.geometric_mean(found):.2f}" for name, found in ratios.items()]
    print("geometric means: " + ", ".join(means))  # noqa: T201 -- a script


def _works(cell: str, shape: tuple[int, int, int, int]):
    """By mode and name, what is to be called; `torch` is the eager loop where torch.nn has no such cell."""
    import numpy as np
    from benchmark import _steps, cell_of, other_backend
    from peers import jax_works, onnx_works

    from harness import seeds
    from harness.settings import LayerShape

    found = cell_of(cell)
    B, T, H, I = shape
    size = LayerShape(batch=B, length=T, hidden=H, inputs=I)
    drawn = found.initialise(seeds.stream(0, "initialise", cell), I, H)
    weights = {name: weight.astype(np.float32) for name, weight in drawn.items()}
    x = np.random.default_rng(0).standard_normal((T, B, I)).astype(np.float32)
    ours, torch = (_steps(cell, backend, shape) for backend in ("fused", other_backend(cell)))
    jax_train, jax_forward, _ = jax_works(found, size, weights, x)
    works = {
        "train": {"fused": ours["train"], "torch": torch["train"], "jax": jax_train},
        "forward": {"fused": ours["forward"], "torch": torch["forward"], "jax": jax_forward},
    }
    if onnx := onnx_works(found, size, weights, x):
        works["forward"]["onnx"] = onnx[0]
    return works


def _medians(works) -> dict[str, float]:
    """Milliseconds by name, taken in turns."""
    from benchmark import seconds

    samples: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work(), work()
    until = time.perf_counter() + SECONDS_A_ROW / 2
    while time.perf_counter() < until or len(samples["fused"]) < 5:
        for name, work in works.items():
            samples[name].append(seconds(work))
    return {name: 1e3 * statistics.median(found) for name, found in samples.items()}


if __name__ == "__main__":
    main(sys.argv[1:])
