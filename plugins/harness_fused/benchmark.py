"""How fast and how lean the backend is beside torch.nn: `python plugins/harness_fused/benchmark.py [cell …]`.

Prints one row per cell and shape: milliseconds of a train step (gradients None, forward, backward with fixed dense
cotangents on y and every final state, gradients of x and every parameter) and of a forward pass under no_grad, theirs
over ours, and both sides' peak memory of a train step by memray. One thread. The sides take turns of five
milliseconds or one call; a process's ratio is the median over its turns, a row's the median over processes. Where
torch.nn has no such cell, the other side is the backend eager. The last line is the geometric mean of the ratios.
A cell is a shipped one's name or a file with one cell; `lstm@fused[recompute=16]` is one with an option of the backend.
Run it by its path.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CELLS = ("rnn", "lstm", "gru", "gru_reset_before")
SHAPES = ((32, 100, 128, 2), (20, 600, 128, 2), (1, 100, 128, 2), (64, 200, 256, 256), (16, 1000, 64, 10))
PROCESSES = 3
SECONDS_A_MODE = 1.0
SECONDS_A_TURN = 0.005
"""A turn is many calls of a short step: after one call of another program, caches hold that one's code."""

MODES = ("train", "forward")


def main(cells: list[str]) -> None:
    """Prints the table for the named cells, all four if none is named."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    header = f"{'cell':17}{'B,T,H,I':>15}" + "".join(f"{mode + ' ms':>12}{'theirs':>10}{'ratio':>7}" for mode in MODES)
    print(header + f"{'peak MB':>10}{'theirs':>9}{'share':>7}")  # noqa: T201 -- a script
    ratios: dict[str, list[float]] = {}
    for cell in cells or CELLS:
        for shape in SHAPES:
            answers = asked(__file__, cell, shape, environment, PROCESSES)
            row = f"{cell:17}{','.join(map(str, shape)):>15}"
            for mode in MODES:
                ours, theirs, ratio = (statistics.median(a[mode][k] for a in answers) for k in range(3))
                ratios.setdefault(f"{cell} {mode}", []).append(ratio)
                row += f"{ours:12.3f}{theirs:10.3f}{ratio:7.2f}"
            ours, theirs = answers[0]["peak"]
            print(f"{row}{ours / 1e6:10.2f}{theirs / 1e6:9.2f}{ours / theirs:7.2f}", flush=True)  # noqa: T201 -- a script
    means = [f"{name} {statistics.geometric_mean(found):.2f}" for name, found in ratios.items()]
    print("geometric means: " + ", ".join(means))  # noqa: T201 -- a script


def asked(script: str, cell: str, shape: tuple[int, ...], environment: dict[str, str], processes: int) -> list:
    """What a script's row says in fresh processes, one after the other."""
    command = [sys.executable, script, "--row", cell, ",".join(map(str, shape))]
    return [
        json.loads(subprocess.run(command, env=environment, check=True, capture_output=True).stdout)
        for _ in range(processes)
    ]


def row(cell: str, shape: tuple[int, int, int, int]) -> None:
    """Prints one process's figures as JSON: by mode our and their milliseconds and the ratio; both peaks in bytes."""
    from harness import threads

    threads.fix(1)
    threads.verify(1)
    cell, _, backend = cell.partition("@")
    ours, theirs = (_steps(cell, name, shape) for name in (backend or "fused", other_backend(cell)))
    answer: dict[str, object] = {mode: _compared(ours[mode], theirs[mode]) for mode in MODES}
    answer["peak"] = [_peak(side["train"]) for side in (ours, theirs)]
    print(json.dumps(answer))  # noqa: T201 -- read by `main`


def _steps(cell: str, backend: str, shape: tuple[int, int, int, int]):
    """The train step and the forward pass of one layer by name, ready to be called."""
    import torch

    from harness import plugins, seeds
    from harness.backend import LayerPlan
    from harness.layer import copy_weights

    B, T, H, I = shape
    layer = plugins.load().backend(backend).build(cell_of(cell), LayerPlan(inputs=I, hidden=H))
    copy_weights(layer, layer.cell.initialise(seeds.stream(0, "initialise", cell), I, H))
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(T, B, I, generator=generator, requires_grad=True)
    call = layer.bare(tuple(torch.zeros(B, *size) for size in layer.cell.states(I, H).values()))
    y, final = call(x)
    cotangents = [torch.randn(out.shape, generator=generator) for out in (y, *final)]
    leaves = [x, *layer.parameters()]

    def train() -> None:
        for leaf in leaves:
            leaf.grad = None
        y, final = call(x)
        torch.autograd.backward([y, *final], cotangents)

    def forward() -> None:
        with torch.no_grad():
            call(x)

    return {"train": train, "forward": forward}


def cell_of(name: str):
    """A shipped cell by its name, or the one cell of a file."""
    from harness import plugins

    if not name.endswith(".py"):
        return plugins.load().cells[name].value
    (cell,) = (entry.value for entry in plugins.load([Path(name)]).cells.values() if entry.plugin.name == name)
    return cell


def other_backend(cell: str) -> str:
    """torch.nn where it has the cell."""
    return "torch" if cell in ("rnn", "lstm", "gru") else "eager"


def _compared(ours, theirs) -> tuple[float, float, float]:
    """Median milliseconds of both sides and the median of theirs over ours."""
    samples: list[tuple[float, float]] = []
    for _ in range(2):
        ours(), theirs()
    until = time.perf_counter() + SECONDS_A_MODE
    while time.perf_counter() < until or len(samples) < 5:
        samples.append((seconds(ours), seconds(theirs)))
    mine, its = (statistics.median(side) * 1e3 for side in zip(*samples, strict=True))
    return mine, its, statistics.median(b / a for a, b in samples)


def seconds(work) -> float:
    """Seconds a call, over one turn."""
    start, calls = time.perf_counter(), 0
    while calls == 0 or time.perf_counter() - start < SECONDS_A_TURN:
        work()
        calls += 1
    return (time.perf_counter() - start) / calls


def _peak(work) -> int:
    """Bytes, as the measure `memory` weighs them."""
    from harness.bench.scales import CpuScales

    with tempfile.TemporaryDirectory() as folder:
        scales = CpuScales(Path(folder) / "allocations.bin")
        scales.peak(work)
        return scales.peak(work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--row"]:
        row(sys.argv[2], tuple(map(int, sys.argv[3].split(","))))  # type: ignore[arg-type] -- four of them
    else:
        main(sys.argv[1:])
