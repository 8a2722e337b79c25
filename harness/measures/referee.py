"""The referee: fresh workers take turns at their steps, and the samples say how much faster one side is.

The unit of replication is a set of fresh processes, one a side (a pair, where there are two): memory layout biases
every sample of a process alike, so samples of one process are never pooled with another's (Kalibera & Jones 2013;
Mytkowicz et al. 2009). Within a pair the sides alternate round by round in random order, so that clock frequency and
neighbours weigh on all of them. The referee computes nothing while it hands out turns.
"""

import math
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import seeds, statistics
from harness.measures.workers import Worker
from harness.settings import TimingSettings
from harness.statistics import Estimate

MODES = ("train", "forward")
COLD_MODES = ("train_cold", "forward_cold")
"""On CUDA also: each call alone, after the second-level cache has been emptied."""
TURN_SECONDS = 5e-3
"""What the slowest side's turn takes at least: 1e5 times the clock's step."""
SETTLE_SECONDS = 5e-3
"""A step that takes at least so long has its caches back within it; a shorter one gets an untimed call each turn."""
FEWEST_ROUNDS = 3
LOOK = 4
"""How many pairs are added before the width is looked at again."""

Numbers = NDArray[np.float64]
Start = Callable[[int, int], Worker]
"""(pair's number, side) → a worker that serves a `Stopwatch`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The same for all sides and pairs: `rounds` of a pair, and by mode the timed `calls` of a turn."""

    rounds: int
    calls: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Played:
    """What was seen. `samples` by mode: [pairs, sides, rounds] seconds a call; `first`: [pairs, sides] seconds from the
    wish for a layer to the end of its first step; `clocks` like samples, MHz, NaN where unknown; `throttled`: turns
    during which the device was held back; `denormals`: by side, the share among outputs and gradients;
    `notes`: by side, how a layer with several ways was run; `objections`: by side, what was wrong with what the timed
    layer computed, "" where nothing was; `megahertz`: [pairs, sides], the processor's clock after the last turn, NaN
    where the system does not tell.
    """

    schedule: Schedule
    samples: Mapping[str, Numbers]
    first: Numbers
    clocks: Mapping[str, Numbers]
    throttled: int
    steady: bool
    denormals: tuple[float, ...]
    notes: tuple[str, ...]
    objections: tuple[str, ...]
    megahertz: Numbers


@dataclass(slots=True)
class _Board:
    """What is written down while the pairs play."""

    schedule: Schedule | None = None
    steady: bool = True
    throttled: int = 0
    denormals: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    objections: tuple[str, ...] = ()
    first: list[list[float]] = field(default_factory=list)
    megahertz: list[list[float]] = field(default_factory=list)
    samples: dict[str, list[Numbers]] = field(default_factory=dict)
    clocks: dict[str, list[Numbers]] = field(default_factory=dict)


def play(start: Start, sides: int, settings: TimingSettings, *, entropy: int, modes: Iterable[str] = MODES) -> Played:
    """All pairs, one after the other, until the settings say that the intervals are narrow enough."""
    board, began = _Board(), time.monotonic()
    modes = tuple(modes)
    for number in range(settings.most_pairs):
        if number >= settings.pairs and _is_enough(board, number, settings, time.monotonic() - began):
            break
        _play_pair(board, start, sides, settings, (entropy, number), modes)
    assert board.schedule is not None  # there are at least two pairs
    return Played(
        schedule=board.schedule,
        samples={mode: np.stack(found) for mode, found in board.samples.items()},
        first=np.array(board.first),
        clocks={mode: np.stack(found) for mode, found in board.clocks.items()},
        throttled=board.throttled,
        steady=board.steady,
        denormals=board.denormals,
        notes=board.notes,
        objections=board.objections,
        megahertz=np.array(board.megahertz),
    )


def log_ratios(samples: Numbers, subject: int = 0, versus: int = 1) -> Numbers:
    """[pairs]: by pair the Hodges–Lehmann estimate of its rounds' log(time of versus / time of subject)."""
    return np.array([statistics.hodges_lehmann(np.log(pair[versus] / pair[subject])) for pair in samples])


def speedup(samples: Numbers, subject: int = 0, versus: int = 1) -> Estimate:
    """How many times as fast the subject is, with Student's t interval over pairs."""
    return statistics.ratio(log_ratios(samples, subject, versus))


def schedule_for(seconds: Mapping[str, Iterable[float]], settings: TimingSettings) -> Schedule:
    """From seconds a call, by mode and side: by what the first pair's warm-up took, never by results.

    The slowest side's turn takes `TURN_SECONDS` to twice as long, or one call. Rounds are as many as fit into the
    settings' seconds, the untimed call of each turn included, within their bounds.
    """
    by_mode = {mode: tuple(sides) for mode, sides in seconds.items()}
    calls = {mode: max(1, math.ceil(TURN_SECONDS / max(sides))) for mode, sides in by_mode.items()}
    round_seconds = sum((calls[mode] + untimed(side)) * side for mode, sides in by_mode.items() for side in sides)
    fitting = int(settings.seconds / (settings.pairs * round_seconds))
    return Schedule(rounds=max(min(FEWEST_ROUNDS, settings.rounds), min(settings.rounds, fitting)), calls=calls)


def untimed(seconds: float) -> int:
    """How many calls of a step of so many seconds a turn begins with."""
    return int(seconds < SETTLE_SECONDS)


def _is_enough(board: _Board, number: int, settings: TimingSettings, elapsed: float) -> bool:
    """Whether the intervals are narrow enough or the budget would be exceeded; looked at every `LOOK` pairs."""
    if elapsed * (number + 1) / number > settings.budget:
        return True
    if (number - settings.pairs) % LOOK:
        return False
    found = [
        speedup(np.stack(samples), 0, side) for samples in board.samples.values() for side in range(1, len(samples[0]))
    ]
    return all(math.log(e.high / e.low) / 2 <= settings.half_width for e in found)


def _play_pair(
    board: _Board, start: Start, sides: int, settings: TimingSettings, seat: tuple[int, int], modes: tuple[str, ...]
) -> None:
    """Fresh workers, started in an order that is drawn; all modes. `seat`: entropy and the pair's number."""
    entropy, number = seat
    order = seeds.stream(entropy, "start", number).permutation(sides)
    rng = seeds.stream(entropy, "order", number)
    with ExitStack() as stack:
        started: dict[int, Worker] = {}
        for side in map(int, order):  # all of them, before one is waited for
            started[side] = start(number, side)
            stack.push(started[side])
        workers = [started[side].__enter__() for side in range(sides)]
        board.first.append([worker.ask("first") for worker in workers])
        warmth = {mode: [worker.ask("warm", mode) for worker in workers] for mode in modes}
        board.steady &= all(steady for of_sides in warmth.values() for _, steady in of_sides)
        seconds = {mode: [taken for taken, _ in of_sides] for mode, of_sides in warmth.items()}
        if board.schedule is None:
            board.schedule = schedule_for(seconds, settings)
            board.denormals = tuple(worker.ask("denormal_share") for worker in workers)
            board.notes = tuple(worker.ask("note") for worker in workers)
        for mode in modes:
            _rounds(board, workers, mode, seconds[mode], rng)
        if number == 0:
            board.objections = tuple(worker.ask("objection") for worker in workers)
        board.megahertz.append([worker.ask("megahertz") for worker in workers])


def _rounds(board: _Board, workers: list[Worker], mode: str, seconds: list[float], rng: Any) -> None:
    """In each round every side has one turn, in an order that is drawn; so is the number of calls, within a tenth."""
    assert board.schedule is not None
    shape = (len(workers), board.schedule.rounds)
    samples, clocks = np.empty(shape), np.empty(shape)
    for number in range(board.schedule.rounds):
        calls = max(1, round(board.schedule.calls[mode] * rng.uniform(0.9, 1.1)))
        for side in rng.permutation(len(workers)):
            taken, clock, reasons = workers[side].ask("time", mode, calls, untimed(seconds[side]))
            samples[side, number], clocks[side, number] = taken, clock
            board.throttled += reasons != 0
    board.samples.setdefault(mode, []).append(samples)
    board.clocks.setdefault(mode, []).append(clocks)
