"""Memory: known allocations are weighed to half a percent or marked, whole runs agree to the byte, growth is linear."""

import ctypes
import json
import mmap
import os
import subprocess
import sys
import tempfile
import threading

import numpy as np
import pytest
import torch

import harness
from harness.bench.scales import CpuScales
from harness.bench.weight import worth_a_mark

SIZE = 64 * 2**20
KEPT = {("lstm", "numpy"): 6, ("gru", "numpy"): 5, ("rnn", "numpy"): 1, ("lstm", "eager"): 8, ("rnn", "eager"): 2}
"""Numbers a layer keeps for each T·B·H, counted by hand: numpy what its file saves; eager what autograd saves."""


def mapped_file() -> object:
    with tempfile.TemporaryFile() as backing:
        os.ftruncate(backing.fileno(), SIZE)
        mapped = mmap.mmap(backing.fileno(), SIZE)
        np.frombuffer(mapped, np.uint8)[:] = 1
        return mapped


def by_pointer() -> object:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    address = libc.malloc(ctypes.c_size_t(SIZE))
    ctypes.memset(address, 1, SIZE)
    libc.free(address)
    return None


def in_a_thread() -> object:
    made: list[object] = []
    thread = threading.Thread(target=lambda: made.append(np.ones(SIZE, np.uint8)))
    thread.start()
    thread.join()
    return made


PATTERNS = {
    "NumPy, touched": lambda: np.ones(SIZE, np.uint8),
    "NumPy, untouched": lambda: np.empty(SIZE, np.uint8),
    "torch, touched": lambda: torch.ones(SIZE, dtype=torch.uint8),
    "torch, untouched": lambda: torch.empty(SIZE, dtype=torch.uint8),
    "product of matrices": lambda: torch.ones(4096, 64) @ torch.ones(64, 4080),
    "bytes": lambda: b"\1" * SIZE,
    "anonymous mapping": lambda: mmap.mmap(-1, SIZE),
    "mapped file": mapped_file,
    "in a thread": in_a_thread,
    "malloc by its address": by_pointer,
}
EXPECTED = dict.fromkeys(PATTERNS, SIZE) | {"product of matrices": 4 * (4096 * 64 + 64 * 4080 + 4096 * 4080)}


def test_known_allocations_are_weighed_to_half_a_percent_or_marked(prove, tmp_path):
    scales, told, wrong = CpuScales(tmp_path / "allocations.bin"), [], []
    for name, work in PATTERNS.items():
        scales.peak(work)  # warm
        peaks = {scales.peak(work) for _ in range(3)}
        error = max(peaks) / EXPECTED[name] - 1
        marked = scales.given(work) - max(peaks) > worth_a_mark(max(peaks))
        told.append(f"{name} {'marked' if marked else f'{100 * error:+.2f} %'}")
        if len(peaks) > 1 or (abs(error) > 0.005 and not marked) or (marked and abs(error) < 0.005):
            wrong.append(name)
    prove("known allocations of 64 MiB, three weighings identical", "≤ 0.5 % or marked", ", ".join(told))
    assert not wrong


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs of the quick grid's memory, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("memory")
    for number in range(3):
        command = [
            sys.executable,
            "-m",
            "harness",
            "run",
            "--measures",
            "memory",
            "--results",
            str(folder / str(number)),
        ]
        subprocess.run([*command, "--json"], check=True, capture_output=True)
    frames = [harness.load(folder / str(number)) for number in range(3)]
    return [frame[frame["measure"] == "memory"].set_index(["cell", "backend"]) for frame in frames], folder


def test_whole_runs_agree_to_the_byte_and_no_shipped_pair_is_marked(prove, runs):
    frames, _ = runs
    names = ["value.train_peak_bytes", "value.forward_peak_bytes", "value.activation_bytes"]
    same = sum(
        all((frame.loc[pair, names] == frames[0].loc[pair, names]).all() for frame in frames)
        for pair in frames[0].index
    )
    marked = sum(int(frame["value.hides"].sum()) for frame in frames)
    prove("memory of all pairs, three runs: the same bytes", "all", f"{same} of {len(frames[0])} pairs")
    prove("marks on the shipped pairs, three runs", "none", f"{marked} of {3 * len(frames[0])} rows")
    assert same == len(frames[0])
    assert marked == 0


def test_what_is_kept_grows_as_counted_by_hand(prove, runs):
    _, folder = runs
    (run,) = (folder / "0" / "runs").iterdir()
    tables = run / "tables"
    import pandas as pd

    table = pd.read_csv(tables / "scaling.csv").set_index(["cell", "backend"])
    worst = 100 * table["residual"].max()
    prove("activations by T, B and H: largest residual of the fit, all pairs", "≤ 1 %", f"{worst:.2f} %")
    found = {pair: float(table.loc[pair, "numbers_per_TBH"]) for pair in KEPT if pair in table.index}
    told = ", ".join(
        f"{cell}@{backend} {value:.2f} ({KEPT[cell, backend]})" for (cell, backend), value in found.items()
    )
    prove("numbers kept per T·B·H, found (counted by hand)", "within 0.15", told)
    assert worst <= 1
    assert all(abs(value - KEPT[pair]) <= 0.15 for pair, value in found.items())


def test_growth_with_the_length_is_a_line(prove, tmp_path):
    peaks = []
    lengths = [20, 40, 60, 80]
    for length in lengths:
        command = [sys.executable, "-m", "harness", "compare", "lstm@numpy", "lstm@eager", "--measures", "memory"]
        done = subprocess.run(
            [*command, "--shape", f"B32,T{length},H64,I2", "--json"],
            check=True,
            capture_output=True,
            cwd=tmp_path,
            text=True,
        )
        kept = next(c for c in json.loads(done.stdout)["comparisons"] if c["measure"] == "kept for backward")
        peaks.append((kept["a_bytes"], kept["b_bytes"]))
    r2 = [np.corrcoef(lengths, side)[0, 1] ** 2 for side in zip(*peaks, strict=True)]
    prove(
        "activations over T = 20 … 80: R² of a line, lstm@numpy and lstm@eager",
        "> 0.9999",
        ", ".join(f"{v:.6f}" for v in r2),
    )
    assert min(r2) > 0.9999
