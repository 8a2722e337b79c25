"""Speed as a table and in words: a pair is called faster or slower only where its interval says so."""

import math

import pandas as pd

from harness import statistics
from harness.noise import read_noise
from harness.record import Record
from harness.report.rows import frame, number, placed, value
from harness.report.wording import bracketed, count, listing
from harness.report.wording import number as figure
from harness.statistics import Estimate
from harness.store import RunView
from harness.verdict import MARGIN, Verdict, judge

MODES = ("train", "forward")
FIGURES = ("seconds", "versus_seconds", "speedup", "speedup_low", "speedup_high", "detectable")
OTHERS = ("pairs", "rounds", "first_seconds", "versus_first_seconds")
NOTED = ("denormal_share", "throttled_turns", "other_load", "stolen", "held_back")
DENORMAL_SHARE = 1e-4
"""More denormals than this among outputs and gradients slow a step down on some processors: worth a sentence."""


def speed(run: RunView) -> pd.DataFrame:
    """One row a pair and shape: seconds a train step and a forward pass, the speed-up over the named baseline.

    The interval is over pairs of processes; `detectable` is the relative difference that would have been found;
    `verdict` is said of the pair beside its baseline; `first_seconds`: from the wish for a layer to the end of its
    first step. `disturbed` says what else the machine did.
    """
    rows = []
    for row, trial, record in placed(run, "speed"):
        row |= {"versus": trial.versus}
        for mode in MODES:
            row |= {f"{mode}_{name}": number(record, f"{mode}_{name}") for name in FIGURES}
            row[f"{mode}_verdict"] = _verdict(record, mode)
        row |= {name: number(record, name) for name in (*OTHERS, *NOTED)}
        rows.append(row | {name: value(record, name) for name in ("steady", "disturbed", "blas", "ran")})
    return frame(rows, "shape cell backend versus status")


def machine_noise(run: RunView) -> str:
    """What `harness doctor` found on the machine of this run, or that it has not been asked."""
    noise = read_noise(run.folder.parent.parent, str(run.facts.get("fingerprint", "")))
    if noise is None:
        return "What timings on this machine are worth is unknown: `harness doctor` finds out."
    return f"This machine, {noise.taken[:10]}: {noise}."


def speed_findings(table: pd.DataFrame) -> list[str]:
    """Train steps by shape and baseline, then the noise, then what disturbed the timings."""
    told = []
    for shape, rows in table.groupby("shape", sort=False):
        done = rows[rows["status"] == "ok"]
        itself = done[done["backend"] == done["versus"]]
        others = done[done["backend"] != done["versus"]]
        noise = _noise(itself)
        for (backend, versus), against in others.groupby(["backend", "versus"], sort=False):
            told += _against(against, str(backend), f"{versus} at {shape}", noise)
        if len(itself):
            told.append(_noise_told(itself, str(shape), noise))
    return told + _disturbances(table[table["status"] == "ok"]) if len(table) else told


def _verdict(record: Record | None, mode: str) -> str:
    low, found, high = (number(record, f"{mode}_speedup{end}") for end in ("_low", "", "_high"))
    if record is None or math.isnan(found):
        return ""
    estimate = Estimate(value=found, low=low, high=high, n=int(number(record, "pairs")))
    return str(judge(estimate, MARGIN[record.trial.device]))


def _noise(itself: pd.DataFrame) -> float:
    """The largest |log speed-up| of a baseline against itself; 0 where none was timed."""
    found = [abs(math.log(x)) for x in itself["train_speedup"] if x > 0 and math.isfinite(x)]
    return max(found, default=0.0)


def _noise_told(itself: pd.DataFrame, shape: str, noise: float) -> str:
    """How a baseline timed against itself came out, and how often that was a false alarm."""
    verdicts = [verdict for mode in MODES for verdict in itself[f"{mode}_verdict"]]
    alarms = sum(verdict in (Verdict.FASTER, Verdict.SLOWER) for verdict in verdicts)
    finds = itself["train_detectable"].median()
    names = listing(dict.fromkeys(itself["versus"]))
    return (
        f"The noise at {shape}: timed against itself, {names} came out within {figure(100 * math.expm1(noise), 2)} % "
        f"of 1; {alarms} of {len(verdicts)} verdicts were false alarms; a comparison finds {figure(100 * finds, 2)} %."
    )


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
    slow = done[done["denormal_share"] > DENORMAL_SHARE]
    if len(slow):
        pairs = listing(f"{row['cell']}@{row['backend']}" for _, row in slow.iterrows())
        told.append(f"{pairs} compute with denormal numbers, which slow some processors down.")
    return told


def _against(rows: pd.DataFrame, backend: str, versus: str, noise: float) -> list[str]:
    """What the train steps of one backend say beside another; what lies within the noise is not called different."""
    found: dict[str, list[str]] = {verdict: [] for verdict in Verdict}
    for _, row in rows.iterrows():
        value, low, high = (float(row[f"train_speedup{end}"]) for end in ("", "_low", "_high"))
        if not 0 < value < math.inf:
            continue
        verdict = row["train_verdict"]
        if verdict in (Verdict.FASTER, Verdict.SLOWER) and math.exp(-noise) <= max(low, 1 / high) <= math.exp(noise):
            verdict = Verdict.UNDECIDED
        if verdict == Verdict.SLOWER:
            value, low, high = 1 / value, 1 / high, 1 / low if low > 0 else math.inf
        found[verdict].append(f"{row['cell']} {bracketed(value, low, high, '×')}")
    level = f"{100 * statistics.LEVEL:.0f} %"
    basis = f"(n = {count(rows['pairs'].min())} pairs of processes, {level} each)"
    texts = {
        Verdict.FASTER: f"{backend} trains {{}} faster than {versus} {basis}.",
        Verdict.SLOWER: f"{backend} trains {{}} slower than {versus} {basis}.",
        Verdict.SAME: f"{backend} trains as fast as {versus}: {{}} {basis}.",
        Verdict.UNDECIDED: f"Undecided between {backend} and {versus}: {{}} {basis}.",
    }
    return [text.format(listing(found[verdict])) for verdict, text in texts.items() if found[verdict]]
