"""Speed: equal things are not called different, a planted 5 % is found, also beside a busy neighbour.

Every comparison is `harness compare`'s own at its default settings; train step and forward pass give a verdict each.
Live verdicts are judged for themselves. The pairs of each A/A series are also drawn anew into more comparisons, the
stopping rule included: with random signs, as if the sides were exactly alike, and as they are, which keeps what one
side may have had over the other.
"""

import contextlib
import math
import multiprocessing
import os
import time
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harness import plugins, statistics
from harness.compare.laboratory import TIMING, Circumstances, Laboratory
from harness.compare.pairs import speed_claims
from harness.executors.stopping import Stopping
from harness.measures.referee import LOOK, MODES, log_ratios
from harness.planning import gates_of
from harness.settings import LayerShape, TimingSettings
from harness.trial import Subject, Trial
from harness.verdict import MARGIN, judge

PLUGIN = Path(__file__).parent / "planted.py"
SHAPE = LayerShape(batch=32, length=40, hidden=64, inputs=2)
SHORT = float(os.environ.get("PROOF_SHARE", "1"))
"""A share of the comparisons, to try the proof out."""
EQUAL, PLANTED, BUSY = (max(2, round(SHORT * n)) for n in (50, 40, 20))
OTHERS = max(2, round(SHORT * 10))
EQUALS = {"gru@fused": "fused", "rnn@numpy": "numpy", "gru_reset_before@eager": "eager"}
"""More pairs against themselves, at a shape of their own."""
ROWS = {"rnn@fused": "torch", "lstm@torch": "torch", "gru@numpy": "torch", "gru_reset_before@eager": "eager"}
"""Rows of the default grid, from the shortest step to the longest."""
SMALL = LayerShape(batch=8, length=30, hidden=33, inputs=5)
RESAMPLED = 2000
REPEATED = 200


@dataclass
class Series:
    """The verdicts of some comparisons, by mode the pairs' log ratios, and what each comparison took."""

    verdicts: list[str] = field(default_factory=list)
    ratios: dict[str, list[np.ndarray]] = field(default_factory=lambda: {mode: [] for mode in MODES})
    seconds: list[float] = field(default_factory=list)
    detectable: list[float] = field(default_factory=list)

    def count(self, *words: str) -> int:
        return sum(verdict in words for verdict in self.verdicts)

    def told(self, *words: str) -> str:
        found, n = self.count(*words), len(self.verdicts)
        rate = statistics.proportion(found, n)
        return f"{found} of {n} ({100 * rate.value:.1f} % [{100 * rate.low:.1f}, {100 * rate.high:.1f}])"


@pytest.fixture(scope="module")
def laboratory():
    circumstances = Circumstances(shapes=(SHAPE,), plugin_files=(PLUGIN,))
    with Stopping() as stopping, Laboratory(circumstances, stopping) as laboratory:
        yield laboratory


@pytest.fixture(scope="module")
def series(laboratory):
    """(backend, versus, busy) → the series, played once, when it is first asked for."""
    comparisons = {"exact": EQUAL, "later": PLANTED}

    @cache
    def played(backend: str, versus: str, busy: bool) -> Series:
        trial = trial_of(f"lstm@{backend}", versus, SHAPE)
        return play(laboratory, trial, BUSY if busy else comparisons[backend], busy=busy)

    return played


@pytest.fixture(scope="module")
def equals():
    """By pair, a short series against itself on a quiet machine; a laboratory has one shape."""
    circumstances = Circumstances(shapes=(SMALL,))
    with Stopping() as stopping, Laboratory(circumstances, stopping) as laboratory:
        return {pair: play(laboratory, trial_of(pair, versus, SMALL), OTHERS) for pair, versus in EQUALS.items()}


def trial_of(pair: str, versus: str, shape: LayerShape, timing: TimingSettings = TIMING) -> Trial:
    cell, _, backend = pair.partition("@")
    subject = Subject.of(plugins.load([PLUGIN]).cells[cell].value)
    return Trial(measure="speed", cell=subject, backend=backend, versus=versus, shape=shape, timing=timing)


def play(laboratory: Laboratory, trial: Trial, comparisons: int, *, busy: bool = False) -> Series:
    for gate in dict.fromkeys(gates_of(trial)):
        laboratory.answer(gate)
    found = Series()
    with neighbour() if busy else contextlib.nullcontext():
        for _ in range(comparisons):
            began = time.monotonic()
            result, arrays = laboratory.answer(trial)
            found.seconds.append(time.monotonic() - began)
            for claim in speed_claims(trial, (result, arrays), MARGIN["cpu"]):
                found.verdicts.append(claim.verdict)
                found.detectable.append(claim.detectable)
            for mode in MODES:
                found.ratios[mode].append(log_ratios(arrays[mode]))
    return found


@contextlib.contextmanager
def neighbour():
    """A process that keeps one core busy with products of matrices."""
    process = multiprocessing.get_context("spawn").Process(target=multiply, daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def multiply() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    matrix = np.random.default_rng(0).standard_normal((512, 512))
    while True:
        matrix @ matrix


def resampled(ratios: dict[str, list[np.ndarray]], comparisons: int, *, signed: bool, seed: int = 0) -> list[str]:
    """Verdicts of comparisons made of recorded A/A pairs, drawn with replacement; `signed`: each with a random sign."""
    rng = np.random.default_rng(seed)
    pools = {mode: np.concatenate(found) for mode, found in ratios.items()}
    verdicts = []
    for _ in range(comparisons):
        signs = rng.choice([-1, 1], TIMING.most_pairs) if signed else 1
        drawn = {mode: rng.choice(pool, TIMING.most_pairs) * signs for mode, pool in pools.items()}
        pairs = stopped(drawn)
        verdicts += [str(judge(statistics.ratio(found[:pairs]), MARGIN["cpu"])) for found in drawn.values()]
    return verdicts


def told_with_interval(ratios: dict[str, list[np.ndarray]], *, signed: bool) -> tuple[float, str]:
    """The share of alarms among resampled verdicts, with a 95 % bootstrap interval over the live comparisons."""
    share = alarms(resampled(ratios, RESAMPLED, signed=signed))
    rng, shares = np.random.default_rng(1), []
    for repeat in range(REPEATED):
        chosen = rng.integers(len(ratios["train"]), size=len(ratios["train"]))
        anew = {mode: [found[k] for k in chosen] for mode, found in ratios.items()}
        shares.append(alarms(resampled(anew, RESAMPLED // 20, signed=signed, seed=repeat)))
    low, high = np.quantile(shares, [0.025, 0.975])
    return share, f"{100 * share:.1f} % of {2 * RESAMPLED} [{100 * low:.1f}, {100 * high:.1f}]"


def alarms(verdicts: list[str]) -> float:
    return sum(verdict in ALARMS for verdict in verdicts) / len(verdicts)


def stopped(drawn: dict[str, np.ndarray]) -> int:
    """After how many pairs the referee would stop."""
    looks = range(TIMING.pairs, TIMING.most_pairs + 1, LOOK)
    return next(n for n in looks if enough({mode: found[:n] for mode, found in drawn.items()}))


def enough(drawn: dict[str, np.ndarray]) -> bool:
    """The referee's rule without its clock."""
    estimates = [statistics.ratio(found) for found in drawn.values()]
    narrow = all(math.log(found.high / found.low) / 2 <= TIMING.half_width for found in estimates)
    return narrow or len(next(iter(drawn.values()))) == TIMING.most_pairs


ALARMS = ("faster", "slower")


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_equal_sides_are_rarely_called_different(series, prove, busy):
    found = series("exact", "exact", busy)
    where = "beside a busy process on one core" if busy else "this machine as it was"
    finds = f"median detectable {100 * np.median(found.detectable):.1f} %"
    prove(f"A/A, live, {where}: faster or slower", "≤ 5 %", f"{found.told(*ALARMS)}; {finds}")
    assert found.count(*ALARMS) <= 0.05 * len(found.verdicts)
    for signed, how in ((True, "with random signs"), (False, "as they are")):
        share, told = told_with_interval(found.ratios, signed=signed)
        prove(f"A/A, resampled from those pairs {how}, stopping rule included, {where}", "≤ 5 %", told)
        assert share <= 0.05


def test_other_cells_backends_and_shapes_are_rarely_told_from_themselves(equals, prove):
    for pair, found in equals.items():
        _, told = told_with_interval(found.ratios, signed=False)
        finds = f"median detectable {100 * np.median(found.detectable):.1f} %"
        prove(f"A/A, {pair} at {SMALL}", "≤ 5 % of all", f"live {found.told(*ALARMS)}; as they are {told}; {finds}")
    verdicts = [verdict for found in equals.values() for verdict in found.verdicts]
    live = replace(next(iter(equals.values())), verdicts=verdicts)
    prove("A/A, these pairs together, live", "≤ 5 %", live.told(*ALARMS))
    assert live.count(*ALARMS) <= 0.05 * len(verdicts)


def test_intervals_cover_the_true_ratio_where_the_stopping_rule_ends_them(prove):
    rng, truth, told, shares = np.random.default_rng(0), math.log(1.05), [], []
    for spread in (0.005, 0.02, 0.05):
        covered = []
        for _ in range(4000):
            drawn = {mode: rng.normal(truth, spread, TIMING.most_pairs) for mode in MODES}
            pairs = stopped(drawn)
            found = [statistics.ratio(ratios[:pairs]) for ratios in drawn.values()]
            covered += [estimate.low <= math.exp(truth) <= estimate.high for estimate in found]
        shares.append(100 * np.mean(covered))
        told.append(f"pairs spread by {100 * spread:g} %: {shares[-1]:.1f}")
    prove("a speed-up's interval covers the true ratio, stopping rule included", "93 to 97 %", "; ".join(told))
    assert all(93 <= share <= 97 for share in shares)


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_a_planted_slowdown_of_five_percent_is_found(series, prove, busy):
    found = series("later", "exact", busy)
    where = "beside a busy process on one core" if busy else "this machine as it was"
    missed = found.told("undecided") if busy else f"{found.count('undecided')} undecided"
    wanted = "slower or undecided" if busy else "≥ 95 % slower"
    ratio = np.exp(-np.median(np.concatenate([part for parts in found.ratios.values() for part in parts])))
    prove(
        f"a planted 5 % slowdown, live, {where}", wanted, f"slower {found.told('slower')}; {missed}; median {ratio:.3f}"
    )
    assert not found.count("faster", "same")
    assert busy or found.count("slower") >= 0.95 * len(found.verdicts)


def test_a_quiet_comparison_takes_at_most_half_a_minute(series, prove):
    seconds = series("exact", "exact", False).seconds + series("later", "exact", False).seconds
    told = f"median {np.median(seconds):.1f} s, longest {max(seconds):.1f} s of {len(seconds)}"
    prove("time of a speed comparison at default settings", "≤ 30 s", told)
    assert max(seconds) <= 30


def test_a_row_of_a_grid_takes_at_most_two_and_a_half_seconds(laboratory, prove):
    trials = [trial_of(pair, versus, SHAPE, TimingSettings()) for pair, versus in ROWS.items()]
    seconds = [one for trial in trials for one in play(laboratory, trial, 3).seconds]
    told = f"median {np.median(seconds):.1f} s, longest {max(seconds):.1f} s of {len(seconds)}"
    prove("time of a row of a grid at default settings", "≤ 2.5 s", told)
    assert max(seconds) <= 2.5
