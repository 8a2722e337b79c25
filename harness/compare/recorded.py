"""Two cells by their recorded trainings: paired by seed, in every section of a run that has both."""

from collections.abc import Iterator

import numpy as np

from harness import seeds, statistics
from harness.compare.claims import Claim
from harness.errors import HarnessError
from harness.differences import fewest_seeds
from harness.report.groups import Group, Numbers, Section, sections
from harness.report.wording import plain_name
from harness.spelling import Spelling
from harness.store import RunView


def compare_recorded(a: Spelling, b: Spelling, run: RunView) -> Iterator[Claim]:
    """A claim a section and figure: the leading test score, and the steps to solve where both always solved.

    Raises HarnessError where no section of the run has both cells.
    """
    found = [(section, _group(section, a), _group(section, b)) for section in sections(run)]
    pairs = [(section, ours, theirs) for section, ours, theirs in found if ours is not None and theirs is not None]
    if not pairs:
        raise HarnessError(
            f"wanted recorded trainings of {a} and {b}, found none of both in {run.name}",
            hint=f"harness run --cells {a.name},{b.name} --measures accuracy --accuracy-on {a.backend or 'auto'}",
        )
    for section, ours, theirs in pairs:
        yield _scores(section, ours, theirs)
        if ours.has_criterion and all(group.solved == group.n == group.planned for group in (ours, theirs)):
            yield _steps(section, ours, theirs)


def _group(section: Section, wanted: Spelling) -> Group | None:
    for group in section.chosen:
        same = group.cell == str(Spelling(wanted.name, wanted.options))
        if same and wanted.backend in (None, group.trial.backend) and group.n:
            return group
    return None


def _scores(section: Section, ours: Group, theirs: Group) -> Claim:
    metric = ours.primary
    samples = ours.scores(metric), theirs.scores(metric)
    return _claim(section, (ours, theirs), samples, plain_name(metric), higher_is_better=ours.higher_is_better)


def _steps(section: Section, ours: Group, theirs: Group) -> Claim:
    samples = ours.steps_to_solve(), theirs.steps_to_solve()
    return _claim(section, (ours, theirs), samples, "steps to solve", higher_is_better=False)


def _claim(
    section: Section,
    groups: tuple[Group, Group],
    samples: tuple[Numbers, Numbers],
    name: str,
    *,
    higher_is_better: bool,
) -> Claim:
    """The mean of the differences A − B over the seeds that both have, with Student's t interval."""
    ours, theirs = (group.by_seed(of_group) for group, of_group in zip(groups, samples, strict=True))
    shared = sorted(seed for seed in ours.keys() & theirs.keys() if np.isfinite([ours[seed], theirs[seed]]).all())
    differences = np.array([ours[seed] - theirs[seed] for seed in shared])
    if not len(differences):
        raise HarnessError(f"wanted seeds that both cells finished on {section.task}, found none")
    difference = statistics.mean(differences)
    decided = difference.n >= fewest_seeds() and difference.excludes(0.0)
    better = (difference.value > 0) == higher_is_better
    return Claim(
        kind="accuracy",
        a=groups[0].trial.pair,
        b=groups[1].trial.pair,
        measure=name,
        where=section.task,
        estimate=difference,
        verdict=("better" if better else "worse") if decided else "undecided",
        sides=(float(np.median(samples[0])), float(np.median(samples[1]))),
        unit="median",
        details={
            "p": statistics.sign_flip(differences, seeds.stream(0, "sign flip")),
            "setting": section.setting,
            "planned": min(group.planned for group in groups),
        },
    )
