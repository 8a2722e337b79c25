"""The shapes that speed and memory are told under: a layer's own, or the one its hidden size was matched at."""

from harness.matching import Match
from harness.store import RunView
from harness.trial import Measure, Trial


def shape_of(trial: Trial, match: Match | None) -> str:
    """`B32 T40 H64 I2`; where H was solved for, `B32 T40 I2, as many parameters as lstm at H64`."""
    shape = trial.shape
    if match is None or shape is None:
        return str(shape)
    return f"B{shape.batch} T{shape.length} I{shape.inputs}, {match}"


def shapes(run: RunView, measure: Measure) -> list[str]:
    """The shapes of a measure, in plan order."""
    found = (shape_of(trial, match) for trial in run.planned if trial.measure == measure for match in run.places(trial))
    return list(dict.fromkeys(found))


def trials_at(run: RunView, measure: Measure, shape: str) -> list[Trial]:
    """The planned trials that stand under a shape."""
    return [
        trial
        for trial in run.planned
        if trial.measure == measure and shape in {shape_of(trial, match) for match in run.places(trial)}
    ]


def timed_shape(run: RunView, match: Match | None) -> str:
    """The first shape of the speed trials whose hidden sizes were matched likewise; the first of all otherwise."""
    speed = [(trial, other) for trial in run.planned if trial.measure == "speed" for other in run.places(trial)]
    likest = min(speed, key=lambda both: (_kind(both[1]) != _kind(match), both[1] != match))
    return shape_of(*likest)


def _kind(match: Match | None) -> tuple[str, str] | None:
    return (match.by, match.reference) if match else None
