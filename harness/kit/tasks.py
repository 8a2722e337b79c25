"""All checks of a task: its batches, its scores, its baseline, and whether held-out examples are held out."""

import random
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from harness.errors import in_a_line
from harness.kit.belonging import answers_belong_to_their_questions
from harness.kit.checks import TASK
from harness.kit.examples import (
    DRAWN,
    HELD_OUT,
    alike,
    blurred,
    drawn,
    examples_in,
    has_data,
    held_out,
    ill_formed,
    memoryless,
    of,
    oracle,
    pairs_in,
    part,
    reaches,
    rng,
    scored,
    scores,
)
from harness.kit.result import Outcome, Result
from harness.task import Kind, Task

SHARE, ERRORS = 0.15, 4.0
"""A simulated baseline may be off by a share of itself, for it is fitted to a sample, and by some standard errors."""
Finding = str
Claim = Callable[[Task], Iterator[Finding]]


class Unseen(Exception):
    """A claim that this task gives no way to check, and why."""


def check_task(task: Task) -> Iterator[Result]:
    """Every check of `TASK`, in that order; once batches have not the form they should, what needs them is skipped."""
    usable = True
    for check in TASK:
        outcome, detail = _asked(CLAIMS[check.name], task) if usable else (Outcome.SKIPPED, "see the failures above")
        usable = usable and not (check.name in ("problem", "batches") and outcome == Outcome.FAILED)
        yield Result(
            subject=task.about.name,
            check=check.name,
            version=check.version,
            severity=check.severity,
            outcome=outcome,
            detail=detail,
        )


def _asked(claim: Claim, task: Task) -> tuple[Outcome, str]:
    try:
        found = [*dict.fromkeys(claim(task))]
    except Unseen as reason:
        return Outcome.SKIPPED, str(reason)
    except Exception as error:  # noqa: BLE001 — whatever an author's code raises is a finding
        return Outcome.FAILED, in_a_line(error)
    return (Outcome.FAILED, "; ".join(found[:3])) if found else (Outcome.PASSED, "")


def problem(task: Task) -> Iterator[Finding]:
    """Names, sizes and the criterion."""
    asked = task.problem()
    names = [metric.name for metric in asked.metrics]
    if not names or len(set(names)) < len(names):
        yield f"wanted metrics with names of their own, found {names}"
    if asked.solved is not None and asked.solved.metric not in names:
        yield f"wanted the criterion to be about one of {names}, found {asked.solved.metric!r}"
    for side, kind in (("source", asked.source), ("target", asked.target)):
        if kind.size < 1:
            yield f"wanted a {side} of size 1 or more, found {kind.size}"
    if set(task.baseline()) != set(names):
        yield f"wanted a baseline for each of {sorted(names)}, found {sorted(task.baseline())}"
    if asked.kind == Kind.ENCODER_DECODER and not (asked.longest > 0 and asked.start != asked.end):
        yield "wanted a decoder's longest answer, and a start symbol that is not the end's"


def batches(task: Task) -> Iterator[Finding]:
    """Shapes, number formats and ranges, in training and in both held-out splits."""
    asked = task.problem()
    for batch in (drawn(task, size=7), *held_out(task, "validation", 9), *held_out(task, "test", 9)):
        yield from ill_formed(asked, batch)


def sizes(task: Task) -> Iterator[Finding]:
    """As many examples as were asked for; a task with data of its own may hold out fewer."""
    for size in (1, 2, 7):
        if (found := examples_in(drawn(task, size=size))) != size:
            yield f"wanted {size} examples, found {found}"
    for split in ("validation", "test"):
        found = sum(examples_in(batch) for batch in held_out(task, split, 300))
        if not has_data(task) and found != 300:
            yield f"wanted 300 {split} examples, found {found}"
        if not found:
            yield f"wanted {split} examples, found none"


def repeatable(task: Task) -> Iterator[Finding]:
    """Equal generators, equal batches; in examinations too."""
    if not alike(drawn(task), drawn(task)):
        yield "two batches from equal generators differ"
    for split in ("validation", "test"):
        pairs = zip(held_out(task, split, 300), held_out(task, split, 300), strict=True)
        if not all(alike(a, b) for a, b in pairs):
            yield f"two {split} examinations from equal generators differ"


def batches_differ(task: Task) -> Iterator[Finding]:
    """Other generators, and later draws of one, give other batches."""
    if alike(drawn(task, 0), drawn(task, 1)):
        yield "batches from different generators are equal"
    generator = rng(0)
    if alike(task.batch(generator, DRAWN), task.batch(generator, DRAWN)):
        yield "two batches drawn one after the other are equal"


def calls_are_independent(task: Task) -> Iterator[Finding]:
    """Drawing others in between, or examining, changes no batch."""
    first = drawn(task, 0)
    drawn(task, 1, size=3)
    held_out(task, "test", 50)
    if not alike(first, drawn(task, 0)):
        yield "a batch depends on what was drawn before it"


def seeds_are_untouched(task: Task) -> Iterator[Finding]:
    """The task draws from the generator that it is given, and from no other."""
    before = random.getstate(), str(np.random.get_state(legacy=False))  # noqa: NPY002 — the global one is meant
    batch = scored(task)
    task.score(batch, oracle(task, batch))
    if before != (random.getstate(), str(np.random.get_state(legacy=False))):  # noqa: NPY002
        yield "it draws from a global generator"
    kept = np.random.get_state()  # noqa: NPY002
    try:
        np.random.seed(1)  # noqa: NPY002
        one = drawn(task)
        np.random.seed(2)  # noqa: NPY002
        differs = not alike(one, drawn(task))
    finally:
        np.random.set_state(kept)  # noqa: NPY002
    if differs:
        yield "a batch depends on a global generator"


def scores_add_up(task: Task) -> Iterator[Finding]:
    """Tallies of the halves of a batch sum to the whole's; the order of examples does not matter."""
    batch = scored(task)
    said = blurred(task, batch)
    whole, size = task.score(batch, said), examples_in(batch)
    halves = [slice(0, size // 3), slice(size // 3, size)]
    parts = [task.score(part(task, batch, half), of(task, said, half)) for half in halves]
    for name, (total, count) in whole.items():
        sums = [sum(part[name][k] for part in parts) for k in (0, 1)]
        if not np.allclose(sums, [total, count], rtol=1e-6, atol=1e-9):
            yield f"{name}: a batch sums to {total:.6g} of {count:g}, its parts to {sums[0]:.6g} of {sums[1]:g}"
    order = np.random.default_rng(0).permutation(size)
    for name, tally in task.score(part(task, batch, order), of(task, said, order)).items():
        if not np.allclose(tally, whole[name], rtol=1e-6, atol=1e-9):
            yield f"{name} depends on the order of the examples"


def the_right_answer_is_best(task: Task) -> Iterator[Finding]:
    """An oracle that says the target scores at least as well as anything here, and solves the task."""
    asked, batch = task.problem(), scored(task)
    right = scores(task, [batch], [oracle(task, batch)])
    others = np.roll(np.arange(examples_in(batch)), 1)
    shuffled = scores(task, [batch], [of(task, oracle(task, batch), others)])
    for metric in asked.metrics:
        baseline = task.baseline()[metric.name]
        if not metric.is_better(right[metric.name], baseline):
            yield f"{metric.name}: the right answers score {right[metric.name]:.4g}, the baseline {baseline:.4g}"
        if metric.is_better(shuffled[metric.name], right[metric.name]):
            yield f"{metric.name}: other examples' answers score better, {shuffled[metric.name]:.4g}"
    if (solved := asked.solved) is not None and not reaches(right[solved.metric], solved):
        yield f"the right answers score {right[solved.metric]:.4g} and do not solve it ({solved.threshold:g})"


def the_baseline_has_no_memory(task: Task) -> Iterator[Finding]:
    """The best constant answer, or by position and the step's own input, fitted to training, scored on held-out."""
    told, found = task.baseline(), memoryless(task)
    for metric in task.problem().metrics:
        said, (score, error) = told[metric.name], found[metric.name]
        if not abs(score - said) <= SHARE * max(abs(said), abs(score)) + ERRORS * error:
            yield f"{metric.name}: `baseline` says {said:.4g}, a predictor without memory scores {score:.4g}"


def the_baseline_solves_nothing(task: Task) -> Iterator[Finding]:
    """A task that is solved without memory asks for none."""
    solved = task.problem().solved
    if solved is None:
        raise Unseen("the task has no criterion")
    if reaches(score := task.baseline()[solved.metric], solved):
        yield f"{solved.metric} {score:.4g} without memory is beyond the criterion {solved.threshold:g}"


def one_answer_a_question(task: Task) -> Iterator[Finding]:
    """Among many examples no input has two targets."""
    if scored(task).references:
        raise Unseen("its examples may have several right answers")
    answers: dict[bytes, bytes] = {}
    for k in range(8):
        batch = drawn(task, k)
        for x, target in pairs_in(task, batch):
            if answers.setdefault(x, target) != target:
                yield "the same input has two different targets: it does not follow from what is shown"
    if len(set(answers.values())) == 1:
        yield "targets are the same whatever the input is"


def splits_are_apart(task: Task) -> Iterator[Finding]:
    """Where there is data, no test example is among training's or validation's."""
    if not has_data(task):
        raise Unseen("its examples are drawn anew for every split, by generators of their own")
    test = {pair for batch in held_out(task, "test", HELD_OUT) for pair in pairs_in(task, batch)}
    others = {"validation": held_out(task, "validation", HELD_OUT), "training": [drawn(task, k) for k in range(16)]}
    for name, batches_of in others.items():
        shared = test & {pair for batch in batches_of for pair in pairs_in(task, batch)}
        if shared:
            yield f"{len(shared)} of {len(test)} test examples are in {name}"


CLAIMS: Mapping[str, Claim] = {
    "problem": problem,
    "batches": batches,
    "sizes": sizes,
    "repeatable": repeatable,
    "batches differ": batches_differ,
    "calls are independent": calls_are_independent,
    "seeds are untouched": seeds_are_untouched,
    "scores add up": scores_add_up,
    "the right answer is best": the_right_answer_is_best,
    "the baseline has no memory": the_baseline_has_no_memory,
    "the baseline solves nothing": the_baseline_solves_nothing,
    "one answer a question": one_answer_a_question,
    "answers belong to their questions": answers_belong_to_their_questions,
    "splits are apart": splits_are_apart,
}
