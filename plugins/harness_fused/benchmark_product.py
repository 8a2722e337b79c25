"""What matrix products reach on one thread: `python plugins/harness_fused/benchmark_product.py [cell …]`.

Prints GFLOP/s of the driver's own tile (driver/product.hpp) with everything in the first-level cache, of torch's
product of matrices, and of a train step of each cell at (B, T, H, I) = (64, 200, 256, 256), counted as
6·T·B·H·(H + I) operations a gate: a product forward, and two backward. Medians. Run it by its path.
"""

import ctypes
import os
import statistics
import sys
import time

SHAPE = (64, 200, 256, 256)
GATES = {"rnn": 1, "lstm": 4, "gru": 3, "gru_reset_before": 3}
DEPTH, SWEEPS, SAMPLES = 64, 2000, 15
TILE = """
#include "product.hpp"
extern "C" int rows() { return rows_beside(MOST_COLUMNS); }
extern "C" int columns() { return MOST_COLUMNS * LANES<float>; }
extern "C" void multiply(const float* rows, const float* weights, float* panel, int64_t depth, int64_t sweeps) {
  const Segment<float> segment{rows, depth, depth};
  const Tile<float> tile{&segment, 1, weights, (Vector<float>*)panel, MOST_COLUMNS, {0, 1, 2, 3}, false};
  for (int64_t sweep = 0; sweep < sweeps; ++sweep) product<float, rows_beside(MOST_COLUMNS), MOST_COLUMNS>(tile, 0);
}
"""


def main(cells: list[str]) -> None:
    """Prints the rates; of rnn, lstm and gru if no cell is named."""
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    from harness import threads

    threads.fix(1)
    best = tile_rate()
    print(f"{'the tile alone':24}{best:8.0f} GFLOP/s")  # noqa: T201 -- a script
    print(f"{'torch.mm':24}{torch_rate():8.0f} GFLOP/s")  # noqa: T201 -- a script
    for cell in cells or ("rnn", "lstm", "gru"):
        rate = step_rate(cell)
        print(f"{'train step, ' + cell:24}{rate:8.0f} GFLOP/s{100 * rate / best:6.0f} % of the tile")  # noqa: T201 -- a script


def tile_rate() -> float:
    """Of a few rows against as many columns as a tile has, over and over."""
    import numpy as np

    from harness_fused import compiler

    library = compiler.load(TILE)
    rows, columns = library.rows(), library.columns()
    arrays = [aligned(np.random.default_rng(0).standard_normal(size)) for size in (rows * DEPTH, DEPTH * columns)]
    arrays.append(aligned(np.zeros(rows * columns)))
    pointers = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def work() -> None:
        library.multiply(*pointers, ctypes.c_int64(DEPTH), ctypes.c_int64(SWEEPS))

    return rate(work, 2 * rows * columns * DEPTH * SWEEPS)


def torch_rate() -> float:
    """Of the product of the inputs of all steps with the weights of four gates."""
    import torch

    B, T, H, I = SHAPE
    x, w = torch.randn(T * B, I), torch.randn(4 * H, I)
    out = torch.empty(T * B, 4 * H)
    return rate(lambda: torch.mm(x, w.T, out=out), 2 * T * B * I * 4 * H)


def step_rate(cell: str) -> float:
    """Of a cell's train step."""
    from benchmark import _steps

    B, T, H, I = SHAPE
    return rate(_steps(cell, "fused", SHAPE)["train"], 6 * T * B * H * (H + I) * GATES[cell])


def rate(work, operations: int) -> float:
    """GFLOP/s by the median of some calls."""
    work()
    seconds = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return operations / statistics.median(seconds) / 1e9


def aligned(array):
    """The numbers as float32 at an address that any vector may be read from."""
    import numpy as np

    room = np.empty(array.size + 16, dtype=np.float32)
    start = -room.ctypes.data // 4 % 16
    found = room[start : start + array.size]
    found[:] = array
    return found


if __name__ == "__main__":
    main(sys.argv[1:])
