"""Speed and memory of layers as a reader sees them: one table a shape, its columns and its remarks."""

import math
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from harness.measures.notes import clock_told
from harness.report.costs import numbers_told
from harness.report.shown import Remark, Shown, show
from harness.report.wording import HIDES, NOTHING, count, listing, number, size, spread, timing
from harness.trial import Measure

Row = dict[str, str]


def by_shape(measure: Measure, table: pd.DataFrame, more: Iterable[Remark] = ()) -> Iterator[Shown]:
    """One table a shape, of speed or of memory; `more` are its last remarks."""
    make = _speed_row if measure == "speed" else _memory_row
    for shape, rows in table.groupby("shape", sort=False):
        good, planned = int((rows["status"] == "ok").sum()), len(rows)
        told = listing(dict.fromkeys(f"{d}, {t}, {n} thread{'s' * (n > 1)}" for d, t, n in _places(rows)))
        title = f"{measure} · {shape} · {told} · {good} of {planned} trials"
        said = _memory_remarks(rows) if measure == "memory" else _speed_remarks(rows)
        remarks = [*said, *matching(rows), *more]
        trials = ((str(id),) for id in rows["id"])
        yield show(title, [make(row) for _, row in rows.iterrows()], remarks, ("parameters", "H"), trials)


def matching(rows: pd.DataFrame) -> Iterator[Remark]:
    """How large the cells of a table are, what they have alike, and how closely."""
    matched, most = str(rows["matched"].iloc[0]), 100 * float(rows["residual"].abs().max())
    yield Remark("State: of one sequence.", ("state",))
    yield Remark("FLOPs: of one step of one sequence, forward.", ("FLOPs",))
    if matched == "hidden":
        yield Remark("H is the same for all cells.")
    else:
        yield Remark(f"Every cell has {matched}, at the nearest H, to within {number(most, 2)} %.")


def large(row: "pd.Series[Any] | dict[str, Any]") -> Row:
    """The columns that say how large a cell is."""
    return {
        "H": count(row["hidden"]),
        "parameters": count(row["parameters"]),
        "state": size(row["state_bytes"]),
        "FLOPs": count(row["flops_per_step"]),
    }


def _places(rows: pd.DataFrame) -> Iterator[tuple[str, str, int]]:
    yield from zip(rows["device"], rows["dtype"], rows["threads"], strict=True)


def _memory_remarks(rows: pd.DataFrame) -> Iterator[Remark]:
    yield Remark("Peaks of what one warm step allocates.")
    yield Remark("Kept: between forward and backward.", ("kept for backward",))
    yield Remark(
        "÷ T·B·H: numbers kept for backward for each, fitted over several sizes, with a 95 % error where it shows; a "
        "dash where the sizes do not tell.",
        ("÷ T·B·H",),
    )
    yield Remark("Parameters in bytes.", ("parameters",))
    if any(hidden is True for hidden in rows["hides"]):
        yield Remark(f"{HIDES}: the system gave more than was counted; see the findings.")


def _speed_remarks(rows: pd.DataFrame) -> Iterator[Remark]:
    pairs = listing(count(n) for n in sorted(set(rows["pairs"].dropna()))) if rows["pairs"].notna().any() else NOTHING
    yield Remark(
        f"Medians of times, and speed-ups over the named baseline, with 95 % intervals over n = {pairs} pairs of "
        "processes; above 1 is faster; both sides take turns within a trial, while times of different rows are from "
        "different minutes."
    )
    noise = float(rows["noise"].max())
    if noise > 0:
        yield Remark(f"Is: faster or slower only beyond the noise of equals here, {number(100 * noise, 2)} %.")
    yield Remark(
        "Finds: the least difference such a comparison would find beyond the noise.", ("train finds", "forward finds")
    )
    yield Remark("First: from the wish for a layer to the end of its first train step.", ("first",))
    yield Remark(_clock(rows))
    for notes, noted in rows[rows["notes"] != ""].groupby("notes", sort=False):
        yield Remark(f"‡ {listing(noted['cell'] + '@' + noted['backend'])}: {notes}.")


def _clock(rows: pd.DataFrame) -> str:
    clock = clock_told({"cpu_mhz_least": rows["cpu_mhz_least"].min(), "cpu_mhz_most": rows["cpu_mhz_most"].max()})
    return f"The processor: {clock}."


def _speed_row(row: "pd.Series[Any]") -> Row:
    shown = {"cell": str(row["cell"]), "on": str(row["backend"])}
    for mode in ("train", "forward"):
        found = row[f"{mode}_detectable"]
        shown |= {
            mode: _time(row, mode, " ‡" if mode == "train" and row["notes"] else ""),
            f"{mode} ×": spread(*(row[f"{mode}_speedup{end}"] for end in ("", "_low", "_high"))),
            f"{mode} is": str(row[f"{mode}_verdict"]) or NOTHING,
            f"{mode} finds": f"{number(100 * found, 2)}%" if math.isfinite(found) else NOTHING,
        }
    shown |= {"first": _time(row, "first")} | large(row)
    return shown | {"versus": str(row["versus"] if row["status"] == "ok" else row["status"])}


def _time(row: "pd.Series[Any]", name: str, mark: str = "") -> str:
    value, low, high = (float(row[f"{name}_seconds{end}"]) for end in ("", "_low", "_high"))
    return timing(value, low, high, mark)


def _memory_row(row: "pd.Series[Any]") -> Row:
    names = {
        "train peak": "train_peak_bytes",
        "forward peak": "forward_peak_bytes",
        "kept for backward": "activation_bytes",
        "parameters": "parameter_bytes",
        "state": "state_bytes",
    }
    shown = {"cell": str(row["cell"]), "on": str(row["backend"])} | {
        title: size(row[name]) for title, name in names.items()
    }
    shown["train peak"] += f" {HIDES}" if row["hides"] is True else ""
    shown |= {"÷ T·B·H": numbers_told(row["numbers_per_TBH"], row["numbers_per_TBH_error"])}
    shown |= {"H": count(row["hidden"]), "FLOPs": count(row["flops_per_step"])}
    return shown if row["status"] == "ok" else shown | {"train peak": str(row["status"])}
