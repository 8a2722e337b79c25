"""Speed as a table and in words: a pair is called faster or slower only where its interval says so."""

import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from harness import statistics
from harness.measures.notes import DENORMAL_SHARE, NOTED, notes_told
from harness.noise import Noise, alarms_told, greatest, read_noise
from harness.record import Record, Status
from harness.report.rows import Row, frame, number, placed, provenance, value
from harness.report.wording import bracketed, count, listing
from harness.report.wording import number as figure
from harness.statistics import Estimate
from harness.store import RunView
from harness.trial import Trial
from harness.verdict import MARGIN, Verdict, findable, judge

MODES = ("train", "forward")
FIGURES = ("seconds", "versus_seconds", "speedup", "speedup_low", "speedup_high", "detectable")
OTHERS = ("pairs", "rounds", "first_seconds", "versus_first_seconds")
IN_WORDS = ("steady", "disturbed", "blas", "ran")
ITSELF = "itself"
"""The verdict on a baseline timed against itself: whatever came out is noise."""


def speed(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: seconds a train step and a forward pass, the speed-up over the named baseline.

    All intervals are over pairs of processes, `seconds_low` to `seconds_high` that of the median time. `noise`: the
    greatest relative difference between equals, of the baselines timed against themselves at this shape and of what
    the doctor found on this machine: within it nothing is called faster or slower. `detectable`: the relative
    difference that would have been found beyond it; `verdict`: said of the pair beside its baseline, `itself` where the
    pair is the baseline; `first_seconds`: from the wish for a layer to the end of its first step. `disturbed` says what
    else the machine did, `notes` what was amiss with a side or its device.
    """
    rows = []
    for row, trial, record in placed(run, "speed"):
        row |= {"versus": trial.versus}
        for mode in MODES:
            row |= {f"{mode}_{name}": number(record, f"{mode}_{name}") for name in FIGURES}
        row |= {name: number(record, name) for name in (*OTHERS, *NOTED) if name not in IN_WORDS}
        more = provenance(run, record) | _ends(run, record) | {name: value(record, name) for name in IN_WORDS}
        rows.append(row | more | {"notes": "; ".join(notes_of(trial, record))})
    stored = machine_noise(run)
    least = stored.greatest if stored else 0.0
    noise = {shape: max(least, greatest(_of_equals(rows, shape))) for shape in {row["shape"] for row in rows}}
    for row in rows:
        row["noise"] = noise[row["shape"]]
        row |= {f"{mode}_detectable": findable(row[f"{mode}_detectable"], row["noise"]) for mode in MODES}
        row |= {f"{mode}_verdict": _verdict(row, mode) for mode in MODES}
    return frame(rows, "shape cell backend versus status")


def notes_of(trial: Trial, record: Record | None) -> list[str]:
    """What is to be known of a timing, in words."""
    values = {name: measured.value for name, measured in record.values.items()} if record else {}
    return [*notes_told(values, (trial.pair, trial.versus_pair))]


def machine_noise(run: RunView) -> Noise | None:
    """What `harness doctor` found on the machine of this run; None where it has not been asked."""
    return read_noise(run.folder.parent.parent, str(run.facts.get("fingerprint", "")))


def speed_findings(table: pd.DataFrame) -> list[str]:
    """Train steps by shape and baseline and the noise they are judged by, then what disturbed the timings."""
    told = []
    for shape, rows in table.groupby("shape", sort=False):
        done = rows[rows["status"] == "ok"]
        itself = done[done["backend"] == done["versus"]]
        others = done[done["backend"] != done["versus"]]
        for (backend, versus), against in others.groupby(["backend", "versus"], sort=False):
            told += _against(against, str(backend), f"{versus} at {shape}")
        told += _noise(itself, others, str(shape))
    return told + _disturbances(table[table["status"] == "ok"]) if len(table) else told


def _ends(run: RunView, record: Record | None) -> Row:
    """The intervals of the subject's times, NaN where there are no samples or too few pairs."""
    arrays = run.arrays(record.id) if record and record.status == Status.OK else {}
    found: Row = {}
    for name in (*MODES, "first"):
        typical = statistics.typical(arrays[name][:, 0]) if name in arrays else statistics.UNKNOWN
        found |= {f"{name}_seconds_low": typical.low, f"{name}_seconds_high": typical.high}
    return found


def _of_equals(rows: Iterable[Row], shape: str) -> list[float]:
    """The speed-ups of baselines over themselves at a shape, either mode."""
    itself = [row for row in rows if row["shape"] == shape and row["backend"] == row["versus"]]
    return [row[f"{mode}_speedup"] for row in itself for mode in MODES]


def _verdict(row: Row, mode: str) -> str:
    if math.isnan(row[f"{mode}_speedup"]):
        return ""
    if row["backend"] == row["versus"]:
        return ITSELF
    return str(judge(_speedup(row, mode), MARGIN[row["device"]], row["noise"]))


def _speedup(row: "Row | pd.Series[Any]", mode: str) -> Estimate:
    low, found, high = (float(row[f"{mode}_speedup{end}"]) for end in ("_low", "", "_high"))
    return Estimate(value=found, low=low, high=high, n=int(row["pairs"]))


def _noise(itself: pd.DataFrame, others: pd.DataFrame, shape: str) -> list[str]:
    """How baselines came out against themselves, how often that was a false alarm, and what follows for the others."""
    told = []
    if len(itself):
        equals = [(row, mode) for _, row in itself.iterrows() for mode in MODES]
        raw = [judge(_speedup(row, mode), MARGIN[row["device"]]) for row, mode in equals]
        alarms = sum(verdict in (Verdict.FASTER, Verdict.SLOWER) for verdict in raw)
        found = greatest(row[f"{mode}_speedup"] for row, mode in equals)
        told.append(
            f"The noise at {shape}: timed against itself, {listing(dict.fromkeys(itself['versus']))} came out within "
            f"{_percent(found)} of 1; {alarms_told(alarms, len(raw))}; a comparison finds "
            f"differences from {_percent(itself['train_detectable'].median())} on."
        )
    if len(others) and others["noise"].max() > 0:
        told.append(f"No pair at {shape} is called faster or slower within {_percent(others['noise'].max())} of 1.")
    return told


def _percent(fraction: float) -> str:
    return f"{figure(100 * fraction, 2)} %"


def _disturbances(done: pd.DataFrame) -> list[str]:
    told = []
    disturbed = done[done["disturbed"].fillna("") != ""]
    if len(disturbed):
        most = disturbed["other_load"].max()
        load = f": other processes kept up to {figure(most, 2)} cores busy" if most > 0 else ""
        told.append(f"{len(disturbed)} of {len(done)} timings were disturbed{load}; repeat them on a quieter machine.")
    unsteady = int((done["steady"] == False).sum())  # noqa: E712 -- a column of objects
    if unsteady:
        told.append(f"In {unsteady} of {len(done)} timings a step did not become steady in its warm-up.")
    for (ran, backend), rows in done.groupby(["ran", "backend"], sort=False):
        told.append(f"{backend} ran {listing(rows['cell'] + ' at ' + rows['shape'])} by {ran}.")
    throttled = done[done["throttled_turns"] > 0]
    if len(throttled):
        turns = f"{count(throttled['throttled_turns'].sum())} of {count(throttled['turns'].sum())}"
        pairs = listing(_pair(row) for _, row in throttled.iterrows())
        told.append(f"The device was held back (power, heat or a brake) in {turns} turns of {pairs}.")
    slow = {_pair(row): None for _, row in done[done["denormal_share"] > DENORMAL_SHARE].iterrows()}
    slow |= {
        f"{row['cell']}@{row['versus']}": None
        for _, row in done[done["versus_denormal_share"] > DENORMAL_SHARE].iterrows()
    }
    if slow:
        told.append(f"{listing(slow)} compute with denormal numbers, which slow some processors down.")
    return told


def _pair(row: "pd.Series[Any]") -> str:
    return f"{row['cell']}@{row['backend']}"


def _against(rows: pd.DataFrame, backend: str, versus: str) -> list[str]:
    """What the train steps of one backend say beside another."""
    found: dict[str, list[str]] = {verdict: [] for verdict in Verdict}
    for _, row in rows.iterrows():
        speedup, verdict = _speedup(row, "train"), row["train_verdict"]
        if not 0 < speedup.value < math.inf:
            continue
        value, low, high = speedup.value, speedup.low, speedup.high
        if verdict == Verdict.SLOWER:
            value, low, high = 1 / value, 1 / high, 1 / low if low > 0 else math.inf
        found[verdict].append(f"{row['cell']} {bracketed(value, low, high, '×')}")
    noise = rows["noise"].max()
    undecided = [_speedup(row, "train") for _, row in rows[rows["train_verdict"] == Verdict.UNDECIDED].iterrows()]
    hidden = noise > 0 and any(one.excludes(1.0) for one in undecided)
    why = f": noise alone makes {_percent(noise)} here" if hidden else ""
    level = f"{100 * statistics.LEVEL:.0f} %"
    basis = f"(n = {count(rows['pairs'].min())} pairs of processes, {level} each)"
    texts = {
        Verdict.FASTER: f"{backend} trains {{}} faster than {versus} {basis}.",
        Verdict.SLOWER: f"{backend} trains {{}} slower than {versus} {basis}.",
        Verdict.SAME: f"{backend} trains as fast as {versus}: {{}} {basis}.",
        Verdict.UNDECIDED: f"Undecided between {backend} and {versus}{why}: {{}} {basis}.",
    }
    return [text.format(listing(found[verdict])) for verdict, text in texts.items() if found[verdict]]
