"""How fast the backend is beside torch.nn: `python plugins/harness_numpy/benchmark.py [cell …]`.

Prints one row per cell and shape: milliseconds of a train step (gradients None, forward, backward with fixed dense
cotangents on y and every final state, gradients of x and every parameter) and of a forward pass under no_grad, on
both sides, and numpy's over torch's. Medians of interleaved rounds in one process, one thread. Where torch.nn has
no such cell, the other side is the backend eager. Run it by its path, not by `-m`: the package would load NumPy first.
"""

import os
import statistics
import sys
import time

SHAPES = ((1, 100, 32, 2), (1, 100, 64, 2), (1, 100, 128, 2), (32, 100, 128, 2), (64, 200, 256, 256))
SECONDS_A_ROW = 3.0
HEADER = f"{'cell':17}{'B,T,H,I':>15}  {'other':6}{'train ms':>10}{'other ms':>10}{'ratio':>7}"


def main(cells: list[str]) -> None:
    """Prints the table for the named cells, all four if none is named."""
    # The libraries read these when they are loaded, which the imports of torch and NumPy do.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    from harness import threads
    from harness_numpy import CELLS

    threads.fix(1)
    threads.verify(1)

    print(HEADER + f"{'forward':>10}{'other ms':>10}{'ratio':>7}")  # noqa: T201 -- a script
    for cell in cells or CELLS:
        other = "eager" if cell == "gru_reset_before" else "torch"
        for shape in SHAPES:
            ours, theirs = (_steps(f"{cell}@{backend}", shape) for backend in ("numpy", other))
            row = f"{cell:17}{','.join(map(str, shape)):>15}  {other:6}"
            for pair in zip(ours, theirs, strict=True):
                mine, its = _medians(*pair)
                row += f"{mine:10.3f}{its:10.3f}{mine / its:7.2f}"
            print(row, flush=True)  # noqa: T201 -- a script


def _steps(pair: str, shape: tuple[int, int, int, int]):
    """The train step and the forward pass of one layer, ready to be called."""
    import torch

    import harness

    generator = torch.Generator().manual_seed(0)
    B, T, H, I = shape
    layer = harness.build(pair, inputs=I, hidden=H)
    x = torch.randn(T, B, I, generator=generator, requires_grad=True)
    state = tuple(torch.zeros(B, *size) for size in layer.cell.states(I, H).values())
    y, final = layer(x, state)
    cotangents = [torch.randn(out.shape, generator=generator) for out in (y, *final)]
    leaves = [x, *(parameter for _, parameter in layer.named_parameters())]

    def train() -> None:
        for leaf in leaves:
            leaf.grad = None
        y, final = layer(x, state)
        torch.autograd.backward([y, *final], cotangents)

    def forward() -> None:
        with torch.no_grad():
            layer(x, state)

    return train, forward


def _medians(ours, theirs) -> tuple[float, float]:
    """Milliseconds of both, taken in turns."""
    samples: tuple[list[float], list[float]] = ([], [])
    for _ in range(3):
        ours(), theirs()
    until = time.perf_counter() + SECONDS_A_ROW / 2
    while time.perf_counter() < until or len(samples[0]) < 5:
        for work, times in zip((ours, theirs), samples, strict=True):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
    return statistics.median(samples[0]) * 1e3, statistics.median(samples[1]) * 1e3


if __name__ == "__main__":
    main(sys.argv[1:])
