"""Rows as text: a line as they come, and the short table at the end."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import exp, log
from typing import Any

Row = dict[str, Any]


def line(row: Row) -> str:
    """One row in one line."""
    told = [f"{row['part']:<12}", str(row.get("item", ""))]
    for name in ("failed", "refused", "reason", "summary", "left_out", "gpu"):
        told += [f"{name}: {row[name]}"] if row.get(name) else []
    if "passed" in row:
        told.append(f"{'passed' if row['passed'] else 'REJECTED'}, worst {row['worst']:.2f} of what is allowed")
    if "forward_ms" in row:
        told.append(_times(row))
    if "cycles" in row:
        times = f"forward {row['forward_alone_ms']:.3f} train {row['train_alone_ms']:.3f}"
        told.append(f"{row['route']} {times}, predicted {row['cycles']} cycles a step")
    return "  ".join(told)


def text(rows: list[Row], rehearse: bool) -> str:
    """The table: what failed, gates and sanitizers by part, times with geometric means by cell and number format."""
    told = ["A rehearsal in the emulation: no figure below says anything about a GPU.\n"] if rehearse else []
    told += [f"machine: {row}" for row in rows if row["part"] == "facts"]
    told += _counts(rows)
    timed, wrong = [row for row in rows if "forward_ms" in row], _rejected(rows)
    right = [row for row in timed if not _why(row) and _pair(row) not in wrong]
    if timed:
        told.append(
            "\nmilliseconds, forward and train (gradients cleared, forward, backward); ratio: torch.nn's over ours"
        )
        told.append("float32 without TF32; caches warm unless it says cold; I1: without the input's product")
        told += [f"{row['item']:<44} {_times(row)}{'' if row in right else '  WRONG, see below'}" for row in timed]
        told += ["", *_means(right)]
    told += [f"cuDNN, {row['item']}: {row['cudnn']}: {', '.join(row['kernels'])}" for row in rows if row.get("kernels")]
    if found := failures(rows):
        told += ["\nFAILED", *(f"{row['part']} {row.get('item', '')}: {_why(row)}" for row in found)]
    return "\n".join(told) + "\n"


def failures(rows: Iterable[Row]) -> list[Row]:
    """Rows that say something is wrong: a rejected pair, a process that died, an error that the sanitizer saw; and one
    for each gate that did not examine all.
    """
    rows = list(rows)
    return [*(row for row in rows if _why(row)), *_unexamined(rows)]


def _unexamined(rows: list[Row]) -> Iterator[Row]:
    planned = {row["part"]: row["of"] for row in rows if row["part"].startswith("gate")}
    for part, of in planned.items():
        done = sum(row["part"] == part and "number" in row and "left_out" not in row for row in rows)
        if done < of:
            yield {"part": part, "failed": f"{done} of {of} pairs were examined"}


def _rejected(rows: Iterable[Row]) -> set[str]:
    """The cell, number format and route of every pair that its gate refused."""
    return {row["item"] for row in rows if row["part"].startswith("gate") and _why(row)}


def _why(row: Row) -> str:
    if problem := row.get("failed") or row.get("refused"):
        return str(problem)
    if row.get("passed") is False:
        return str(row["reason"])
    if row.get("finite") is False:
        return "a gradient is not finite"
    if "apart" in row and not row["apart"] <= row["apart_allowed"]:
        return f"y or the gradient of x differs from torch.nn's by {row['apart']:.1e} of its norm"
    summary = str(row.get("summary", ""))
    return "" if not summary or " 0 errors" in summary or " 0 hazards" in summary else summary


def _counts(rows: list[Row]) -> list[str]:
    by_part: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["part"] not in ("facts", "stage"):
            by_part[row["part"]].append(row)
    told = []
    for part, found in by_part.items():
        done = [row for row in found if "number" in row]
        good = [row for row in done if not _why(row) and not row.keys() & {"refused", "left_out"}]
        summary = next((row["summary"] for row in found if "summary" in row), "")
        told.append(f"{part:<12} {len(good)} of {len(done)} good, {found[0]['of']} planned  {summary}".rstrip())
    return told


def _times(row: Row) -> str:
    told = f"{row.get('route', ''):<6}"
    for mode in ("forward", "train", "forward_cold", "train_cold"):
        if f"{mode}_ms" in row:
            mine, its = row[f"{mode}_ms"], row[f"{mode}_torch_ms"]
            told += f" {mode} {mine:.3f} torch {its:.3f} ratio {row[f'{mode}_ratio']:.2f};"
    if over := row.get("forward_over_floor"):
        told += f" {over:.1f} × floor;"
    return f"{told} cuDNN {row['cudnn']}"


def _pair(row: Row) -> str:
    cell, dtype, *_ = row["item"].split()
    return f"{cell} {dtype} {row['route']}"


def _means(timed: list[Row]) -> list[str]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in timed:
        cell, dtype, *_ = row["item"].split()
        groups[f"{cell} {dtype}"].append(row)
    return [
        f"{name:<16} n {len(found)}: "
        + ", ".join(
            f"{mode} geometric mean {exp(sum(log(row[f'{mode}_ratio']) for row in found) / len(found)):.2f}, "
            f"least {min(row[f'{mode}_ratio'] for row in found):.2f}"
            for mode in ("forward", "train")
        )
        for name, found in groups.items()
    ]
