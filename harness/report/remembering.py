"""What the gradients say: how far back each cell hears, at initialisation and after training.

A horizon is the lag from which on at most 1 % of a gradient is left. Where that is not within the sequence, it is
infinite in the tables' files and `>L` where people read it, L being the greatest lag.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from harness.differences import fewest_seeds
from harness.record import Record
from harness.report.groups import Group, Numbers
from harness.report.layers import large, matching
from harness.report.rows import NAN, Row, first, frame, joined, sizes
from harness.report.sections import Section, sections
from harness.report.shown import Remark, Shown, show
from harness.report.wording import NOTHING, count, listing
from harness.store import RunView

ALIKE = 1.25
"""Cells whose greatest median horizon is at most so many times their least share a part of a sentence."""


def gradients(run: RunView) -> pd.DataFrame:
    """One row a task, cell and stage: n of planned, the horizons and half-lives over seeds, median and range.

    A training that diverged has none and is counted. `horizon_<state>`: of the gradient at that state alone.
    """
    found = [gradients_of(section) for section in sections(run, "gradients")]
    return joined(found, "task cell backend stage n planned")


def gradients_of(section: Section) -> pd.DataFrame:
    """`gradients`, of one section."""
    return frame([_row(section, group) for group in section.groups], "task cell backend stage n planned")


def gradient_tables(run: RunView) -> Iterator[Shown]:
    """A table a section."""
    for section in sections(run, "gradients"):
        n, planned = sum(len(heard(g)) for g in section.groups), sum(g.planned for g in section.groups)
        title = f"gradients · {section.task} · {stage(section)}, {setting_of(section)} · {n} of {planned} trials"
        note = (
            "1 % (half) at lag: so many steps back, and from there on, no more of a gradient at the last output is "
            "left; of all states together, then of each apart. Median [least–greatest] over seeds; >L: not within L."
        )
        rows = [_shown(section, group) for group in section.groups]
        remarks = [Remark(note), *matching(gradients_of(section))]
        yield show(title, rows, remarks, ("parameters", "H"), section.trials)


def remembering(run: RunView) -> list[str]:
    """The findings: how far who hears, and what a training changed."""
    told, before = list[str](), dict[str, Group]()
    for section in sections(run, "gradients"):
        told += _horizons(section) + _missing(section)
        if is_trained(section):
            told += _changes(section, before)
        else:
            before = {section.label(group): group for group in section.groups}
    return told


def is_trained(section: Section) -> bool:
    """Whether its cells were trained before they were measured."""
    return section.groups[0].trial.training is not None


def stage(section: Section) -> str:
    """When its cells were measured."""
    return "after training" if is_trained(section) else "at initialisation"


def setting_of(section: Section) -> str:
    """The model in a few words, and the training if there was one."""
    if is_trained(section):
        return section.setting
    sizes = sorted({group.trial.model.hidden for group in section.groups if group.trial.model})
    return f"H {listing(map(str, sizes))}"


def heard(group: Group) -> list[Record]:
    """The records that hold norms: a training that diverged has none."""
    return [record for record in group.records if "lags" in record.values]


def lags_of(group: Group, name: str = "horizon") -> Numbers:
    """By record that holds norms: the lag of that name, infinite where it is beyond the sequence."""
    found = np.array([record.number(name) for record in heard(group)], dtype=float)
    return np.where(np.isnan(found), math.inf, found)


def lag_text(lag: float, longest: float) -> str:
    """A lag as a person reads it: `8`, or `>29` for one beyond the sequence."""
    return f">{count(longest)}" if math.isinf(lag) else NOTHING if math.isnan(lag) else f"{lag:g}"


def longest_lag(group: Group) -> float:
    """L: the greatest lag that was looked at; NaN where nothing was."""
    return first(np.array([record.number("lags") for record in heard(group)]))


def _row(section: Section, group: Group) -> Row:
    found, training = heard(group), group.trial.training
    solved = [bool(record.values["solved"].value) for record in found if "solved" in record.values]
    row = {
        "task": section.task,
        "cell": group.cell,
        "backend": group.trial.backend,
        **sizes(group.trial, next(iter(group.records), None), group.match),
        "stage": stage(section),
        "learning_rate": training.learning_rate if training else NAN,
        "chosen": group.chosen,
        "n": len(found),
        "planned": group.planned,
        "diverged": group.diverged,
        "solved": sum(solved) if solved else NAN,
        "lags": longest_lag(group),
    }
    for name in ("horizon", "half_life", *(f"horizon.{state}" for state in _states(found))):
        row |= {f"{name.replace('.', '_')}_{part}": value for part, value in _over_seeds(lags_of(group, name)).items()}
    return row


def _over_seeds(lags: Numbers) -> Mapping[str, float]:
    if not len(lags):
        return dict.fromkeys(("median", "min", "max"), NAN)
    return {"median": float(np.median(lags)), "min": float(lags.min()), "max": float(lags.max())}


def _states(records: Sequence[Record]) -> list[str]:
    return [name.partition(".")[2] for name in records[0].values if name.startswith("horizon.")] if records else []


def _shown(section: Section, group: Group) -> dict[str, str]:
    row, longest = _row(section, group), longest_lag(group)
    shown = {"cell": group.cell, "n": f"{row['n']}/{group.planned}"}
    if any(one.diverged for one in section.groups):
        shown["diverged"] = str(group.diverged)
    if is_trained(section):
        shown["solved"] = f"{row['solved']}/{row['n']}" if math.isfinite(row["solved"]) else NOTHING
    for name, title in (("horizon", "1 % at lag"), ("half_life", "half at lag")):
        shown[title] = _spread(row, name, longest)
    states = (f"{state} {_spread(row, f'horizon_{state}', longest)}" for state in _states(heard(group)))
    return shown | {"1 % by state": ", ".join(states) or NOTHING} | large(row) | {"on": group.trial.backend}


def _spread(row: Row, name: str, longest: float) -> str:
    median, least, most = (lag_text(row[f"{name}_{part}"], longest) for part in ("median", "min", "max"))
    return median if least == most else f"{median} [{least}–{most}]"


def _horizons(section: Section) -> list[str]:
    """Cells by their horizon, a range over seeds and no claim; those that are alike share a part of the sentence."""
    parts, groups = [], [group for group in section.chosen if heard(group)]
    for alike in _alike(groups):
        lags, longest = np.concatenate([lags_of(group) for group in alike]), longest_lag(alike[0])
        least, most = lag_text(lags.min(), longest), lag_text(lags.max(), longest)
        reach = f"at lag {least}" if least == most else f"at lags {least} to {most}"
        reach = f"not within {count(longest)} lags" if math.isinf(lags.min()) else reach
        parts.append(f"{reach} in {listing(_label(section, group) for group in alike)}")
    seeds = f"least to greatest seed; seeds a cell: {listing(map(count, sorted({len(heard(g)) for g in groups})))}"
    lead = f"{section.task}, {stage(section)} ({setting_of(section)}): a gradient has fallen to 1 %"
    return [f"{lead} {'; '.join(parts)} ({seeds})."] if parts else []


def _alike(groups: Sequence[Group]) -> list[list[Group]]:
    """Groups by median horizon, least first; those that are like the first of their part stand together."""
    found: list[list[Group]] = []
    for group in sorted(groups, key=_reach):
        if found and _are_alike(found[-1][0], group):
            found[-1].append(group)
        else:
            found.append([group])
    return found


def _are_alike(nearer: Group, further: Group) -> bool:
    """What no seed forgets within the sequence is not like what some do."""
    (median, least), (other, others_least) = _reach(nearer), _reach(further)
    return other <= ALIKE * median and math.isinf(least) == math.isinf(others_least)


def _reach(group: Group) -> tuple[float, float]:
    """The median and the least horizon."""
    lags = lags_of(group)
    return float(np.median(lags)), float(lags.min())


def _label(section: Section, group: Group) -> str:
    if not group.has_criterion:
        return section.label(group)
    solved = sum(bool(record.values["solved"].value) for record in heard(group))
    return f"{section.label(group)} (solved {solved}/{len(heard(group))})"


def _changes(section: Section, before: Mapping[str, Group]) -> list[str]:
    """For whom training moved the horizon the same way with every seed: a sign test, the cells being one family.

    Only cells that lack no seed: the others may have kept the lucky ones. With too few seeds for the test, the seeds
    are counted and no direction is claimed.
    """
    family = {section.label(group): group for group in section.chosen if section.label(group) in before}
    found = {
        label: _pairs(before[label], group)
        for label, group in family.items()
        if _is_whole(before[label]) and _is_whole(group)
    }
    if not found:
        return []
    n, fewest = min(map(len, found.values())), fewest_seeds(len(family))
    if n < fewest:
        told = listing(f"{label} {sum(now > was for was, now in p)}/{len(p)}" for label, p in found.items())
        return [
            f"{section.task}: seeds with which gradients reach further back after training than before: {told}; "
            f"n = {n}: too few to claim a direction ({fewest} at least)."
        ]
    further = [f"{label} ({len(p)}/{len(p)})" for label, p in found.items() if all(now > was for was, now in p)]
    less = [f"{label} ({len(p)}/{len(p)})" for label, p in found.items() if all(now < was for was, now in p)]
    parts = [f"further back in {listing(further)}"] if further else []
    parts += [f"less far back in {listing(less)}"] if less else []
    lead = f"{section.task}: with every seed, gradients reach"
    return [f"{lead} {', '.join(parts)} after training than before."] if parts else []


def _is_whole(group: Group) -> bool:
    """Whether every planned trial gave norms."""
    return len(heard(group)) == group.planned


def _pairs(before: Group, after: Group) -> list[tuple[float, float]]:
    """The horizons of seeds that have both."""
    was, now = (
        dict(zip((r.trial.seed for r in heard(group)), lags_of(group), strict=True)) for group in (before, after)
    )
    return [(was[seed], now[seed]) for seed in was.keys() & now.keys()]


def _missing(section: Section) -> list[str]:
    lost = [group for group in section.chosen if not _is_whole(group)]
    if not lost:
        return []
    counts = listing(
        f"{section.label(g)} ({len(heard(g))} of {g.planned}{f', {g.diverged} diverged' if g.diverged else ''})"
        for g in lost
    )
    return [f"{section.task}, {stage(section)}: gradients are missing: {counts}."]
