"""Which sentences a story bears out: keys of the catalogues, chosen by the records and by nothing else.

Every choice names what it rests on; the words of each outcome stand in the catalogues, one for every language.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.demo.story import Hearing, Story, Told

ALIKE = 1.25
"""Lags of which the greatest is at most so many times the least are told as alike."""
NOTHING_LEARNT, ONE_NUMBER = 0.9, (0.35, 0.65)
"""Shares of the baseline: from the first on nothing was learnt; within the others about one number is known."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A key of the catalogue and the values its text may name."""

    key: str
    values: dict[str, Any]


def headline(story: Story) -> str:
    """The key of what happened, in a few words."""
    rnn, gated = story.told["rnn"], [story.told["lstm"], story.told["gru"]]
    everyone = (rnn, *gated)
    if any(one.n < one.planned for one in everyone):
        return "headline.incomplete"
    if all(one.always for one in everyone):
        return "headline.all"
    if not any(one.solved for one in everyone):
        return "headline.none"
    if not rnn.solved and all(one.always for one in gated):
        return "headline.gated"
    return "headline.mixed"


def solving(story: Story) -> Iterator[Sentence]:
    """Who solved the task with how many seeds, a sentence a cell, the fastest first; what the others learnt instead."""
    for one in sorted(story.told.values(), key=lambda told: (-told.solved, told.median_steps)):
        values = {"cell": one, "share": one.error / story.baseline}
        if not one.n:
            yield Sentence("solving.nothing", values)
            continue
        outcome = "all" if one.solved == one.n else "some" if one.solved else "none"
        yield Sentence(f"solving.{outcome}", values)
        if one.n < one.planned:
            yield Sentence("solving.incomplete", values)
        if not one.solved:
            yield Sentence(f"instead.{_instead(one.error / story.baseline)}", values)


def hearing(story: Story) -> Iterator[Sentence]:
    """How far a correction reaches: before training, with open forget gates, after training; who changed how."""
    told = [one for one in story.told.values() if len(one.before.horizons)]
    if told:
        yield Sentence("before.alike" if _alike([one.before for one in told]) else "before.different", {"cells": told})
    lstm = story.told["lstm"].before
    if len(story.biased.horizons) and len(lstm.horizons):
        further = story.biased.least > lstm.most
        yield Sentence("biased.further" if further else "biased.alike", {"biased": story.biased, "lstm": lstm})
    for one in story.told.values():
        if not len(one.after.horizons):
            yield Sentence("after.nothing", {"cell": one})
            continue
        yield Sentence("after.whole" if math.isinf(one.after.least) else "after.part", {"cell": one})
        if len(one.before.horizons):
            yield Sentence(f"change.{_change(one)}", {"cell": one})


def verdict(story: Story) -> Sentence:
    """Whether those that solved are those that hear the whole sequence: the explanation, put to this run's test."""
    complete = [one for one in story.told.values() if one.n and len(one.after.horizons)]
    if len(complete) < len(story.told):
        return Sentence("verdict.incomplete", {})
    solvers = [one for one in complete if one.always]
    hearers = [one for one in complete if math.isinf(one.after.median)]
    if solvers == hearers and 0 < len(solvers) < len(complete):
        deaf = [one for one in complete if one not in hearers]
        return Sentence("verdict.match", {"hearers": hearers, "deaf": deaf})
    if solvers == hearers and solvers:
        return Sentence("verdict.everyone", {})
    return Sentence("verdict.apart", {"solvers": solvers, "hearers": hearers})


def _instead(share: float) -> str:
    """What an error says, as a share of the baseline's: nothing learnt, one number known, or something between."""
    if not math.isfinite(share):
        return "diverged"
    if share >= NOTHING_LEARNT:
        return "guessing"
    return "one" if ONE_NUMBER[0] <= share <= ONE_NUMBER[1] else "between"


def _alike(found: Sequence[Hearing]) -> bool:
    medians = [one.median for one in found]
    return max(medians) <= ALIKE * min(medians)


def _change(told: Told) -> str:
    """Of the median lag; where both are beyond the sequence nobody can tell."""
    before, after = told.before.median, told.after.median
    return "further" if after > before else "nearer" if after < before else "same"
