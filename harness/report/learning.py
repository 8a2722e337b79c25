"""What the trainings say in words: who solved what within how many steps, whose score is better."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from harness import statistics
from harness.differences import fewest_seeds
from harness.report.comparing import Comparison, bounded_scores, capped_steps, comparable, compare
from harness.report.groups import Group
from harness.report.sections import Section
from harness.report.wording import count, estimate, listing, number, plain_name, setting, spread


def learning(section: Section) -> list[str]:
    """The findings of one task. A difference is claimed only where `harness.differences` has it established."""
    groups = [group for group in section.chosen if group.primary]
    missing = [group for group in section.chosen if not group.is_complete]
    told = []
    if any(group.has_criterion for group in groups):
        told += _solving(section, groups)
    if groups and not any(group.solved for group in groups):
        told += _scoring(section, groups)
    if missing:
        counts = listing(f"{section.label(group)} ({group.n} of {group.planned})" for group in missing)
        told.append(f"{section.task}: trainings are missing, and their cells are not compared: {counts}.")
    diverged = [group for group in section.groups if group.diverged]
    if diverged:
        counts = listing(f"{section.label(g)} ({g.diverged} of {g.n} at {_rate(g)})" for g in diverged)
        told.append(f"{section.task}: trainings diverged and count as unsolved, with the worst score: {counts}.")
    return told


def _solving(section: Section, groups: Sequence[Group]) -> list[str]:
    parts: list[str] = []
    for (solved, n, planned), same in _by_outcome(groups).items():
        names = listing(section.label(group) for group in same)
        rate = statistics.proportion(solved, n)
        seeds = "every seed" if solved == n else "no seed" if solved == 0 else f"{solved} of {n} seeds"
        seeds += " that has a result" if n < planned else ""
        counts = f"{solved}/{n}" + (f", {planned} planned" if n < planned else "") + (" each" if len(same) > 1 else "")
        verb = "with" if parts else "solved it with"
        parts.append(f"{names} {verb} {seeds} ({counts}, [{rate.low:.2f}, {rate.high:.2f}])")
    first = f"{section.task}: {'; '.join(parts)}; within {count(groups[0].budget)} steps {_rates(section, groups)}."
    return [first, *_pace(section, groups)]


def _by_outcome(groups: Sequence[Group]) -> dict[tuple[int, int, int], list[Group]]:
    """Groups by (solved, n, planned), the best first."""
    found: dict[tuple[int, int, int], list[Group]] = {}
    for group in sorted(groups, key=lambda g: -g.solved / g.n):
        found.setdefault((group.solved, group.n, group.planned), []).append(group)
    return found


def _pace(section: Section, groups: Sequence[Group]) -> list[str]:
    """The steps to solve of cells that solved with every seed: for others the rate is the answer.

    The family is that of all cells: what is said of some of them in words is what the tables say of all in figures.
    """
    able = [group for group in groups if group.is_complete and group.solved == group.n]
    if len(able) < 2:
        return []
    family = compare(comparable(section), capped_steps)
    found = [c for c in family if c.less in able and c.more in able]
    claims = [
        f"{section.label(c.less)} took {estimate(c.difference.mean)} steps fewer than {section.label(c.more)}"
        for c in found
        if c.difference.is_established
    ]
    lead = f"{section.task}, steps to solve, evaluated every {able[0].training.evaluate_every}"
    return [_verdict(section, lead, claims, found, len(family))]


def _scoring(section: Section, groups: Sequence[Group]) -> list[str]:
    """Compares the leading test score after the whole budget."""
    metric = groups[0].primary
    name, better = plain_name(metric), "higher" if groups[0].higher_is_better else "lower"
    lead = f"{section.task}, {name} ({better} is better) after {count(groups[0].budget)} steps"
    told = listing(_score(section, group, metric) for group in groups)
    baseline = groups[0].baseline(metric)
    against = "" if math.isnan(baseline) else f"; the baseline without memory has {number(baseline)}"
    what = "median and range over seeds that have a result"
    sentences = [f"{lead} {_rates(section, groups)}, {what}: {told}{against}."]
    found = compare(comparable(section), bounded_scores)
    if not found:
        return sentences
    higher = groups[0].higher_is_better
    claims = [_better(section, c, higher=higher) for c in found if c.difference.is_established]
    return [*sentences, _verdict(section, f"{section.task}, {name}", claims, found, len(found))]


def _score(section: Section, group: Group, metric: str) -> str:
    found = group.scores(metric)
    middle = spread(float(np.median(found)), float(found.min()), float(found.max()))
    return f"{section.label(group)} {middle} ({group.n}/{group.planned})"


def _better(section: Section, comparison: Comparison, *, higher: bool) -> str:
    less, more = section.label(comparison.less), section.label(comparison.more)
    better, worse = (more, less) if higher else (less, more)
    return f"{better} is better than {worse} by {estimate(comparison.difference.mean)}"


def _verdict(section: Section, lead: str, claims: Sequence[str], found: Sequence[Comparison], family: int) -> str:
    """What is established of the comparisons `found`, out of a family of so many."""
    n = min(comparison.difference.mean.n for comparison in found)
    fewest, pairs = fewest_seeds(family), f"{family} pairs" if family > 1 else "one pair"
    if n < fewest:
        which = f"{'one of ' * (family > 1)}{pairs} of cells"
        return f"{lead}: n = {n}: too few seeds to tell {which} apart ({fewest} at least)."
    basis = f"paired by seed, n = {n}, 95 % for {pairs}{' together' * (family > 1)}"
    open_pairs = [f"{section.label(c.less)} and {section.label(c.more)}" for c in _undecided(found)]
    if not claims:
        return f"{lead}: no difference between {listing(_cells(section, found))} is established ({basis})."
    rest = f"; undecided: {'; '.join(open_pairs)}" if open_pairs else ""
    return f"{lead}: {'; '.join(claims)}{rest} ({basis})."


def _undecided(found: Iterable[Comparison]) -> list[Comparison]:
    return [comparison for comparison in found if not comparison.difference.is_established]


def _cells(section: Section, found: Iterable[Comparison]) -> list[str]:
    return list(dict.fromkeys(section.label(group) for c in found for group in (c.less, c.more)))


def _rates(section: Section, groups: Sequence[Group]) -> str:
    """At which learning rate; where several were tried, which were chosen."""
    rates = {group.training.learning_rate for group in groups}
    chosen = f" (chosen from {len(section.learning_rates)} on validation)" if len(section.learning_rates) > 1 else ""
    if len(rates) == 1:
        return f"at {_rate(groups[0])}{chosen}"
    each = listing(f"{setting(g.training.learning_rate)} for {section.label(g)}" for g in groups)
    return f"at learning rate {each}{chosen}"


def _rate(group: Group) -> str:
    return f"learning rate {setting(group.training.learning_rate)}"
