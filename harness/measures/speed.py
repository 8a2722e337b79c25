"""Speed: a cell on one backend against the same cell on another, or against another cell, by pairs of processes."""

import mmap
import os
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import seeds, statistics, threads
from harness.bench.stopwatch import Stopwatch
from harness.errors import HarnessError
from harness.layer import torch_dtype
from harness.measures import Context
from harness.measures.afterwards import objection
from harness.measures.conditions import Conditions, quiet_cores
from harness.measures.notes import noted
from harness.measures.referee import COLD_MODES, MODES, Numbers, Played, log_ratios, play
from harness.measures.step import build_step, parameter_count, required_shape
from harness.measures.workers import Worker, forked
from harness.record import Answer, Measured, Status
from harness.settings import TimingSettings
from harness.sizes import layers_of_shape
from harness.trial import Trial

HEAP_BYTES, MAPPED_BYTES = 1 << 16, 1 << 20
"""The most that a worker takes from the heap, and maps, before it builds anything."""


def measure(trial: Trial, context: Context) -> Answer:
    """Times train step and forward pass of both sides. Nothing else on this machine may be timed meanwhile.

    Raises HarnessError for a trial without shape or `versus` and where a pool has not the trial's threads; what a
    layer raises arrives as `workers.WorkerFailed`.
    """
    shape = required_shape(trial)
    if trial.versus is None:
        raise HarnessError(f"wanted a speed trial with the backend it is compared with, found {trial}")
    # Memory layout is noise to be averaged over, so it must differ from run to run; kept, it can be drawn again.
    entropy = int.from_bytes(os.urandom(6), "little")
    modes = MODES if trial.device == "cpu" else (*MODES, *COLD_MODES)
    before, cores = Conditions.now(), quiet_cores()
    start = partial(_start, trial, context, entropy, cores)
    played = play(start, 2, trial.timing or TimingSettings(), entropy=entropy, modes=modes)
    for pair, wrong in zip((trial.pair, trial.versus_pair), played.objections, strict=True):
        if wrong:
            reason = f"{pair} was timed, and then {wrong}"
            return Answer(values={}, status=Status.REJECTED, reason=reason)
    disturbance = Conditions.now().since(before)
    cell = context.catalog.cell(trial.cell.spelling)
    values = {
        "parameters": Measured(parameter_count(cell, shape)),
        **layers_of_shape(shape).measured(cell, torch_dtype(trial.dtype).itemsize),
        "blas": Measured(threads.blas()),
        "entropy": Measured(entropy, timed=True),
    }
    arrays: dict[str, NDArray[Any]] = {"first": played.first}
    for mode in modes:
        values |= {f"{mode}_{name}": value for name, value in compare(played.samples[mode]).items()}
        values[f"{mode}_calls"] = Measured(played.schedule.calls[mode], timed=True)
        arrays |= {mode: played.samples[mode]}
        if np.isfinite(played.clocks[mode]).any():
            arrays[f"{mode}_clock"] = played.clocks[mode]
    values |= {"ran": Measured(played.notes[0], timed=True)} if played.notes[0] else {}
    if np.isfinite(played.megahertz).any():
        arrays["cpu_mhz"] = played.megahertz
    values |= _play_values(played) | noted(played, disturbance)
    return Answer(values=values, arrays=arrays, timed_arrays=frozenset(arrays))


def compare(samples: Numbers) -> dict[str, Measured]:
    """The figures of one mode from its raw samples, [pairs, sides, rounds] seconds a call, the subject first.

    A pair's estimate is the Hodges–Lehmann estimate of its rounds' log ratios; the interval is over pairs.
    """
    of_pairs = log_ratios(samples)
    speedup = statistics.ratio(of_pairs)
    return {
        "seconds": Measured(_typical(samples[:, 0]), "s", timed=True),
        "versus_seconds": Measured(_typical(samples[:, 1]), "s", timed=True),
        "speedup": Measured(speedup.value, timed=True),
        "speedup_low": Measured(speedup.low, timed=True),
        "speedup_high": Measured(speedup.high, timed=True),
        "detectable": Measured(statistics.detectable(of_pairs), timed=True),
    }


def _play_values(played: Played) -> dict[str, Measured]:
    first = np.median(played.first, axis=0)
    return {
        "pairs": Measured(len(played.first), timed=True),
        "rounds": Measured(played.schedule.rounds, timed=True),
        "first_seconds": Measured(float(first[0]), "s", timed=True),
        "versus_first_seconds": Measured(float(first[1]), "s", timed=True),
    }


def _start(trial: Trial, context: Context, entropy: int, cores: list[int], number: int, side: int) -> Worker:
    """A fresh worker for one side of a pair, subject 0 and versus 1."""
    pair = (trial.pair, trial.versus_pair)[side]
    # Both sides of a pair on one core, which they have in turns: what else runs on it weighs on both alike. With one
    # busy neighbour the median detectable difference of seven A/A trials fell from 18 % to 6 % (train) and from 30 %
    # to 5 % (forward).
    core = cores[(entropy + number) % len(cores)] if cores and trial.threads == 1 else None
    prepare = partial(_prepare, trial, context, core, (entropy, number, side))
    return forked(pair, prepare, stopped=trial.threads > 1)


def _prepare(trial: Trial, context: Context, core: int | None, seat: tuple[int, int, int]) -> Stopwatch:
    """Inside a worker: a core, threads and a layout of its own, its step. `seat`: entropy, pair's number, side."""
    entropy, number, side = seat
    if core is not None:
        os.sched_setaffinity(0, {core})
    # A fork inherits its parent's address layout. A block on the heap moves what is allocated after it, a mapping
    # moves the large arrays by whole pages; both live as long as the stopwatch that holds them.
    heap, mapped = seeds.stream(entropy, "layout", number, side).integers(1, [HEAP_BYTES, MAPPED_BYTES])
    layout = (bytearray(int(heap)), mmap.mmap(-1, int(mapped)))
    threads.fix(trial.threads)
    cell = trial.cell if side == 0 else trial.versus_cell or trial.cell
    backend = trial.backend if side == 0 else trial.versus or ""
    make = partial(build_step, trial, (cell, backend), context.catalog)
    look = partial(objection, trial, (cell, backend), context.catalog)
    return Stopwatch(make, trial.device, partial(threads.verify, trial.threads), look, layout)


def _typical(samples: Numbers) -> float:
    """The median over pairs of a pair's median."""
    return float(np.median(np.median(samples, axis=1)))
