"""Speed: a cell on one backend against the same cell on another, by pairs of processes that take turns.

The unit of replication is a pair of fresh processes: memory layout biases every sample of a process alike, so samples
of one process are never pooled with another's (Kalibera & Jones 2013; Mytkowicz et al. 2009). Within a pair the sides
alternate round by round in random order, so that clock frequency and neighbours weigh on both. The process that
answers the trial is the referee: it computes nothing while it hands out turns.
"""

import math
import mmap
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import seeds, statistics, threads
from harness.errors import HarnessError
from harness.layer import torch_dtype
from harness.locks import exclusive_timing
from harness.measures import Context
from harness.measures.step import build_step, parameter_count, required_shape
from harness.measures.stopwatch import Stopwatch, Warmth
from harness.measures.workers import Worker
from harness.record import Answer, Measured
from harness.sizes import layers_of_shape
from harness.trial import Trial

MODES = ("train", "forward")
PAIRS = 6
"""Pairs of processes; with fewer than six no sign-flip test can reject at 5 %."""
MOST_ROUNDS, FEWEST_ROUNDS = 12, 5
TURN_SECONDS = 5e-3
"""What the slower side's turn takes at least: 1e5 times the clock's step."""
TRIAL_SECONDS = 1.0
"""What all turns of a trial shall take; slow steps get fewer rounds."""
HEAP_BYTES, MAPPED_BYTES = 1 << 16, 1 << 20
"""The most that a worker takes from the heap, and maps, before it builds anything."""

Pair = tuple[Worker, Worker]
Samples = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How often: `rounds` of a pair, and by mode the timed `calls` of a turn; the same for both sides and all pairs."""

    rounds: int
    calls: Mapping[str, int]


def measure(trial: Trial, context: Context) -> Answer:
    """Times train step and forward pass of both sides.

    Raises HarnessError for a trial without shape or `versus` and where a pool has not the trial's threads; what a
    layer raises arrives as `workers.WorkerFailed`.
    """
    shape = required_shape(trial)
    if trial.versus is None:
        raise HarnessError(f"wanted a speed trial with the backend it is compared with, found {trial}")
    # Memory layout is noise to be averaged over, so it must differ from run to run; kept, it can be drawn again.
    entropy = int.from_bytes(os.urandom(6), "little")
    with exclusive_timing():
        schedule, samples, steady = _play(trial, context, entropy)
    cell = context.catalog.cell(trial.cell.spelling)
    values = {
        "parameters": Measured(parameter_count(cell, shape)),
        **layers_of_shape(shape).measured(cell, torch_dtype(trial.dtype).itemsize),
        "pairs": Measured(PAIRS),
        "blas": Measured(threads.blas()),
        "rounds": Measured(schedule.rounds, timed=True),
        "steady": Measured(steady, timed=True),
        "entropy": Measured(entropy, timed=True),
    }
    arrays: dict[str, NDArray[Any]] = {}
    for mode in MODES:
        subject, versus = samples[mode][:, 0], samples[mode][:, 1]
        values[f"{mode}_calls"] = Measured(schedule.calls[mode], timed=True)
        values |= {f"{mode}_{name}": value for name, value in compare(subject, versus).items()}
        arrays |= {f"{mode}_subject": subject, f"{mode}_versus": versus}
    return Answer(values=values, arrays=arrays, timed_arrays=frozenset(arrays))


def compare(subject: NDArray[np.float64], versus: NDArray[np.float64]) -> dict[str, Measured]:
    """The figures of one mode from its raw samples, both [pairs, rounds], seconds a call.

    A pair's estimate is the Hodges–Lehmann estimate of its rounds' log ratios; the interval is over pairs.
    """
    log_ratios = np.array([statistics.hodges_lehmann(rounds) for rounds in np.log(versus / subject)])
    speedup = statistics.ratio(log_ratios)
    return {
        "seconds": Measured(_typical(subject), "s", timed=True),
        "versus_seconds": Measured(_typical(versus), "s", timed=True),
        "speedup": Measured(speedup.value, timed=True),
        "speedup_low": Measured(speedup.low, timed=True),
        "speedup_high": Measured(speedup.high, timed=True),
        "detectable": Measured(statistics.detectable(log_ratios), timed=True),
    }


def schedule_for(seconds: Mapping[str, tuple[float, float]]) -> Schedule:
    """From seconds a call, by mode and side: by what the first pair's warm-up took, never by results.

    The slower side's turn takes `TURN_SECONDS` to twice as long, or one call. Rounds are as many as fit into
    `TRIAL_SECONDS`, the untimed call of each turn included, within their bounds.
    """
    calls = {mode: max(1, math.ceil(TURN_SECONDS / max(sides))) for mode, sides in seconds.items()}
    round_seconds = sum((calls[mode] + 1) * sum(sides) for mode, sides in seconds.items())
    fitting = int(TRIAL_SECONDS / (PAIRS * round_seconds))
    return Schedule(rounds=max(FEWEST_ROUNDS, min(MOST_ROUNDS, fitting)), calls=calls)


def _play(trial: Trial, context: Context, entropy: int) -> tuple[Schedule, Samples, bool]:
    """All pairs, one after the other. The samples by mode: [pairs, 2, rounds], the subject first."""
    schedule: Schedule | None = None
    steady = True
    played: dict[str, list[NDArray[np.float64]]] = {mode: [] for mode in MODES}
    for number in range(PAIRS):
        rng = seeds.stream(entropy, "order", number)
        with _pair(trial, context, entropy, number) as pair:
            warmth = {mode: _warm(pair, mode) for mode in MODES}
            steady = steady and all(side.steady for sides in warmth.values() for side in sides)
            if schedule is None:
                schedule = schedule_for({mode: (a.seconds, b.seconds) for mode, (a, b) in warmth.items()})
            for mode in MODES:
                played[mode].append(_rounds(pair, mode, schedule, rng))
    assert schedule is not None  # there is at least one pair
    return schedule, {mode: np.stack(rounds) for mode, rounds in played.items()}, steady


@contextmanager
def _pair(trial: Trial, context: Context, entropy: int, number: int) -> Iterator[Pair]:
    """Two fresh workers, subject and versus; which starts first is drawn."""
    backends = (trial.backend, trial.versus or "")

    def start(side: int) -> Worker:
        prepare = partial(_prepare, trial, context, backends[side], (entropy, number, side))
        return Worker(f"{trial.cell}@{backends[side]}", prepare, stopped=trial.threads > 1)

    first = int(seeds.stream(entropy, "start", number).integers(2))
    with start(first) as one, start(1 - first) as other:
        yield (other, one) if first else (one, other)


def _prepare(trial: Trial, context: Context, backend: str, seat: tuple[int, int, int]) -> Stopwatch:
    """Inside a worker: a core, threads and a layout of its own, its step. `seat`: entropy, pair's number, side."""
    entropy, number, side = seat
    if trial.threads == 1:
        # Both sides of a pair on one core, which they have in turns: what else runs on it weighs on both alike.
        # With one busy neighbour the median detectable difference of seven A/A trials fell from 18 % to 6 % (train)
        # and from 30 % to 5 % (forward).
        threads.pin(entropy + number)
    # A fork inherits its parent's address layout. A block on the heap moves what is allocated after it, a mapping
    # moves the large arrays by whole pages; both live as long as the stopwatch that holds them.
    heap, mapped = seeds.stream(entropy, "layout", number, side).integers(1, [HEAP_BYTES, MAPPED_BYTES])
    layout = (bytearray(int(heap)), mmap.mmap(-1, int(mapped)))
    threads.fix(trial.threads)
    step = build_step(trial, backend, context.catalog)
    return Stopwatch(step, trial.device, partial(threads.verify, trial.threads), layout)


def _warm(pair: Pair, mode: str) -> tuple[Warmth, Warmth]:
    return pair[0].ask("warm", mode), pair[1].ask("warm", mode)


def _rounds(pair: Pair, mode: str, schedule: Schedule, rng: np.random.Generator) -> NDArray[np.float64]:
    """[2, rounds] seconds a call; in each round both sides have one turn, in an order that is drawn."""
    seconds = np.empty((2, schedule.rounds))
    for number in range(schedule.rounds):
        for side in rng.permutation(2):
            seconds[side, number] = pair[side].ask("time", mode, schedule.calls[mode])
    return seconds


def _typical(samples: NDArray[np.float64]) -> float:
    """The median over pairs of a pair's median."""
    return float(np.median(np.median(samples, axis=1)))
