"""What a second thread brings: `python plugins/harness_fused/benchmark_threads.py [cell …]`.

Prints one row per cell and shape: milliseconds with one and with two threads, and how many times faster two are, for a
train step and a forward pass (see benchmark.py). The sides take turns in one process; medians. Needs two
idle cores: where another process wants one of them, the figure falls towards 1. Run it by its path.
"""

import os
import statistics
import sys

SHAPES = ((64, 100, 128, 2), (64, 200, 256, 256), (64, 100, 64, 10), (32, 100, 128, 2))


def main(cells: list[str]) -> None:
    """Prints the table for the named cells, rnn, lstm and gru if none is named."""
    os.environ |= {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    import torch
    from benchmark import MODES, _compared, _steps

    from harness import threads

    threads.fix(2)

    def with_threads(count: int, work):
        def run() -> None:
            torch.set_num_threads(count)
            work()

        return run

    print(f"{'cell':17}{'B,T,H,I':>15}" + "".join(f"{mode + ' ms':>12}{'two':>9}{'times':>7}" for mode in MODES))  # noqa: T201 -- a script
    gains: dict[str, list[float]] = {mode: [] for mode in MODES}
    for cell in cells or ("rnn", "lstm", "gru"):
        for shape in SHAPES:
            steps = _steps(cell, "fused", shape)
            row = f"{cell:17}{','.join(map(str, shape)):>15}"
            for mode in MODES:
                two, one, gain = _compared(with_threads(2, steps[mode]), with_threads(1, steps[mode]))
                gains[mode].append(gain)
                row += f"{one:12.3f}{two:9.3f}{gain:7.2f}"
            print(row, flush=True)  # noqa: T201 -- a script
    means = ", ".join(f"{mode} {statistics.geometric_mean(found):.2f}" for mode, found in gains.items())
    print(f"geometric means: {means}")  # noqa: T201 -- a script


if __name__ == "__main__":
    main(sys.argv[1:])
