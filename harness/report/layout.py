"""Tables as a reader sees them: which columns, under which words, with which title. Cells are finished text."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from harness.differences import fewest_seeds
from harness.noise import noise_told
from harness.report import tables, trainings
from harness.report.costs import memory
from harness.report.findings import findings
from harness.report.groups import Group
from harness.report.layers import by_shape, matching
from harness.report.remembering import gradient_tables
from harness.report.sections import Section, sections
from harness.report.shown import Content, Remark, Shown, show
from harness.report.speeds import machine_noise, speed
from harness.report.standing import full_tables
from harness.report.unwritten import marked, unwritten
from harness.report.wording import NOTHING, count, number, plain_name, setting, size, spread
from harness.store import RunView

Row = dict[str, str]
MOST_FAILURES = 12


def shown_tables(run: RunView, *, full: bool = False) -> Iterator[Shown]:
    """Every table that has rows, in the order of the questions; pairs of cells and their ranks only in `full`."""
    names = unwritten(run)
    return (marked(table, names) for table in _tables(run, full))


def content_of(run: RunView, *, full: bool = False) -> Content:
    """Findings and tables of a run."""
    return Content(tuple(findings(run)), tuple(shown_tables(run, full=full)))


def _tables(run: RunView, full: bool) -> Iterator[Shown]:
    device = next((trial.device for trial in run.planned), "cpu")
    found: dict[str, Iterable[Shown]] = {
        "learning": map(_accuracy, sections(run)),
        "gradients": gradient_tables(run),
        "ranks": (show(title, rows, [Remark(note)]) for title, rows, note in (full_tables(run) if full else ())),
        "speed": by_shape("speed", speed(run), [Remark(noise_told(machine_noise(run), device))]),
        "memory": by_shape("memory", memory(run)),
        "gate": _gate(run),
        "failures": _failures(run),
    }
    for topic, shown in found.items():
        yield from (replace(table, topic=topic) for table in shown)


def _accuracy(section: Section) -> Shown:
    found = trainings.accuracy_of(section)
    rows = [
        _accuracy_row(section, group, row) for group, (_, row) in zip(section.groups, found.iterrows(), strict=True)
    ]
    title = f"{section.task} · {section.setting} · {found['n'].sum()} of {found['planned'].sum()} trials"
    metrics = tuple(plain_name(metric) for metric in _metrics(section))
    remarks = [*_accuracy_remarks(section), *matching(found)]
    return show(title, rows, remarks, (*metrics[1:], "parameters", "H"), section.trials)


def _accuracy_remarks(section: Section) -> Iterator[Remark]:
    if _has_criterion(section):
        yield Remark("Solved: Wilson's 95 % interval.")
        yield Remark("Steps: to solve, median [least–greatest].", ("steps",))
        yield Remark(
            "Mean steps: to solve, a training counting at most the budget, with a 95 % interval that allows for seeds "
            "which would not solve."
        )
    yield Remark("n: seeds with a result, of those planned. Test scores: median [least–greatest] over seeds.")
    few, fewest = min(group.n for group in section.groups), fewest_seeds(math.comb(len(section.chosen), 2))
    if few < fewest:
        yield Remark(f"n = {few}: too few to tell cells apart ({fewest} at least).")
    machines = {machine for group in section.groups for machine in group.machines}
    if len(machines) > 1:
        yield Remark(f"Trainings of {len(machines)} machines stand together: see the findings.")
    if len(section.learning_rates) > 1:
        yield Remark("✓: the learning rate chosen on validation.")


def _metrics(section: Section) -> list[str]:
    return next((group.metrics() for group in section.groups if group.n), [])


def _has_criterion(section: Section) -> bool:
    return any(group.has_criterion for group in section.groups)


def _accuracy_row(section: Section, group: Group, row: "pd.Series[Any]") -> Row:
    shown = {"cell": group.cell}
    if len(section.learning_rates) > 1:
        shown["learning rate"] = setting(group.training.learning_rate) + (" ✓" if group.chosen else "")
    shown["n"] = f"{group.n}/{group.planned}"
    if _has_criterion(section):
        shown |= _solving(group, row)
    for metric in _metrics(section):
        found = trainings.score(group, metric)
        shown[plain_name(metric)] = spread(found["test_median"], found["test_min"], found["test_max"])
        if "÷ baseline" not in shown:
            shown["÷ baseline"] = _ratio(found)
    shown |= {"H": count(row["hidden"]), "parameters": count(row["parameters"])}
    shown |= {"in cells": count(row["cell_parameters"]), "state": size(row["state_bytes"])}
    return shown | {"FLOPs": count(row["flops_per_step"]), "on": group.trial.backend}


def _solving(group: Group, row: "pd.Series[Any]") -> Row:
    if math.isnan(row["solved"]):
        return dict.fromkeys(("solved", "steps", "mean steps"), NOTHING)
    median, least, most = (
        count(steps) if math.isfinite(steps) else f">{count(group.budget)}"
        for steps in (row["steps_median"], row["steps_min"], row["steps_max"])
    )
    return {
        "solved": f"{group.solved}/{group.n} [{row['solve_rate_low']:.2f}–{row['solve_rate_high']:.2f}]",
        "steps": median if least == most else f"{median} [{least}–{most}]",
        "mean steps": f"{count(row['steps_mean'])} [{count(row['steps_mean_low'])}–{count(row['steps_mean_high'])}]",
    }


def _ratio(found: Mapping[str, float]) -> str:
    """A score over the baseline's: median and range, as of the score itself."""
    baseline = found["baseline"] or math.nan
    return spread(*(found[name] / baseline for name in ("test_median", "test_min", "test_max")))


def _gate(run: RunView) -> Iterator[Shown]:
    table = tables.gate(run)
    if table.empty:
        return
    rows = [
        {
            "pair": str(row["pair"]),
            "result": "passed" if row["passed"] else str(row["status"]),
            "worst": number(row["worst"], 2),
            "checks": f"{count(row['checks'] - row['checks_failed'])} of {count(row['checks'])}",
            "examples": "none" if row["examples"] == 0 else count(row["examples"]),
        }
        for _, row in table.iterrows()
    ]
    remarks = [
        Remark("Worst: the largest error against the float64 reference, in units of what is allowed."),
        Remark("Examples: of the cell's outputs, from a source other than its equation."),
    ]
    title = f"gate · {int(table['passed'].sum())} of {len(table)} pairs passed"
    yield show(title, rows, remarks, trials=((str(id),) for id in table["id"]))


def _failures(run: RunView) -> Iterator[Shown]:
    """What has no result; trials that differ in their seed alone and failed alike share a row."""
    table = tables.failures(run)
    if table.empty:
        return
    rows = [
        {
            "trials": str(len(same)),
            "what": f"{measure} · {pair}",
            "status": str(status),
            "reason": _first_line(str(reason)),
            "first id": str(same["id"].iloc[0]),
        }
        for (measure, pair, status, reason), same in table.groupby(["measure", "pair", "status", "reason"], sort=False)
    ]
    title = f"without a result · {len(table)} of {len(run.planned)} trials"
    note = "`harness show ID` prints the question, the reason and the log."
    if len(rows) > MOST_FAILURES:
        note = f"{len(rows) - MOST_FAILURES} more rows are in tables/failures.csv. {note}"
    yield show(title, rows[:MOST_FAILURES], [Remark(note)])


def _first_line(text: str) -> str:
    line = text.partition("\n")[0]
    return line if len(line) <= 160 else line[:159] + "…"
