"""What a second thread brings: `python plugins/harness_fused/benchmark_threads.py [cell …]`.

Prints one row per cell and shape: milliseconds with one and with two threads, and how many times faster two are, for a
train step and a forward pass (see benchmark.py). The sides take turns in a process; a row has the medians over
processes, and the range of their ratios. Needs two idle cores: where another process, or another machine on the same
hardware, wants one of them, a ratio falls towards 1. Run it by its path.
"""

import json
import os
import statistics
import sys

SHAPES = ((64, 100, 128, 2), (64, 200, 256, 256), (64, 100, 64, 10), (32, 100, 128, 2))
PROCESSES = 5


def main(cells: list[str]) -> None:
    """Prints the table for the named cells, rnn, lstm and gru if none is named."""
    from benchmark import MODES, asked

    environment = {**os.environ, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    head = "".join(f"{mode + ' ms':>12}{'two':>9}{'times':>7}{'range':>11}" for mode in MODES)
    print(f"{'cell':17}{'B,T,H,I':>15}{head}")  # noqa: T201 -- a script
    gains: dict[str, list[float]] = {mode: [] for mode in MODES}
    for cell in cells or ("rnn", "lstm", "gru"):
        for shape in SHAPES:
            answers = asked(__file__, cell, shape, environment, PROCESSES)
            row = f"{cell:17}{','.join(map(str, shape)):>15}"
            for mode in MODES:
                two, one, gain = (statistics.median(answer[mode][k] for answer in answers) for k in range(3))
                ratios = [answer[mode][2] for answer in answers]
                gains[mode].append(gain)
                row += f"{one:12.3f}{two:9.3f}{gain:7.2f}{f'{min(ratios):.2f}–{max(ratios):.2f}':>11}"
            print(row, flush=True)  # noqa: T201 -- a script
    means = ", ".join(f"{mode} {statistics.geometric_mean(found):.2f}" for mode, found in gains.items())
    print(f"geometric means: {means}")  # noqa: T201 -- a script


def row(cell: str, shape: tuple[int, int, int, int]) -> None:
    """Prints one process's figures as JSON: by mode milliseconds with two threads, with one, and the ratio."""
    import torch
    from benchmark import _compared, _steps

    from harness import threads

    threads.fix(2)

    def with_threads(count: int, work):
        def run() -> None:
            torch.set_num_threads(count)
            work()

        return run

    steps = _steps(cell, "fused", shape)
    found = {mode: _compared(with_threads(2, work), with_threads(1, work)) for mode, work in steps.items()}
    print(json.dumps(found))  # noqa: T201 -- read by `main`


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        row(sys.argv[2], tuple(map(int, sys.argv[3].split(","))))  # type: ignore[arg-type] -- four of them
    else:
        main(sys.argv[1:])
