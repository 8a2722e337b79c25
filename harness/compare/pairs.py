"""Two cells on their backends: each passes its gate, then they are timed against each other and weighed."""

from collections.abc import Generator, Iterable, Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from harness import statistics
from harness.bench.weight import Weight
from harness.choosing import why_not
from harness.compare.claims import Claim
from harness.compare.laboratory import Arrays, Circumstances, Laboratory
from harness.compare.notices import Notice
from harness.compare.weights import memory_claims
from harness.errors import HarnessError
from harness.executors.stopping import Stopping
from harness.isolation.request import Result
from harness.measures.notes import NOTED, clock_told, notes_told
from harness.measures.referee import COLD_MODES, MODES
from harness.planning import gates_of
from harness.plugins import Catalog
from harness.record import Measured
from harness.settings import LayerShape
from harness.spelling import Spelling
from harness.statistics import Estimate
from harness.trial import Subject, Trial
from harness.verdict import MARGIN, findable, judge

Answered = tuple[Result, Arrays]


def choose(spelling: Spelling, catalog: Catalog, order: Iterable[str], circumstances: Circumstances) -> Spelling:
    """The pair that a spelling means: without a backend, the first of `order` that can run the cell.

    Raises HarnessError where the named backend, or every one, cannot.
    """
    cell = catalog.cell(Spelling(spelling.name, spelling.options))
    names = [spelling.backend] if spelling.backend else [name for name in order if name in catalog.backends]
    reasons = {name: why_not(catalog, cell, name, circumstances.device, circumstances.dtype) for name in names}
    for name, reason in reasons.items():
        if reason is None:
            return Spelling(spelling.name, spelling.options, name)
    raise HarnessError(f"{spelling} cannot run: " + "; ".join(f"{name}: {reason}" for name, reason in reasons.items()))


def compare_pairs(
    a: Spelling, b: Spelling, catalog: Catalog, circumstances: Circumstances, stopping: Stopping
) -> Generator[Claim | Notice, None, None]:
    """Claims about A beside B, shape by shape, as they are found.

    Both pass their gates first. Raises HarnessError where one does not, and where a trial ends without a result.
    """
    asked = [trial for shape in circumstances.shapes for trial in _trials(a, b, catalog, circumstances, shape)]
    gates = dict.fromkeys(gate for trial in asked for gate in gates_of(trial))
    with Laboratory(circumstances, stopping) as laboratory:
        for gate in gates:
            yield from laboratory.ask(gate)
        for shape in circumstances.shapes:
            found = {}
            for trial in dict.fromkeys(trial for trial in asked if trial.shape == shape):
                found[trial] = yield from laboratory.ask(trial)
            yield from _claims(found, circumstances)


def _trials(
    a: Spelling, b: Spelling, catalog: Catalog, circumstances: Circumstances, shape: LayerShape
) -> Iterator[Trial]:
    """A speed trial of A against B; a memory trial of each."""
    sides = [(Subject.of(catalog.cell(Spelling(side.name, side.options))), side.backend or "") for side in (a, b)]
    shared: dict[str, Any] = {
        "device": circumstances.device,
        "dtype": circumstances.dtype,
        "threads": circumstances.threads,
        "shape": shape,
    }
    (cell, backend), (other, versus) = sides
    if "speed" in circumstances.measures:
        yield Trial(
            measure="speed",
            cell=cell,
            backend=backend,
            versus=versus,
            versus_cell=other if other != cell else None,
            timing=circumstances.timing,
            **shared,
        )
    if "memory" in circumstances.measures:
        for subject, name in sides:
            yield Trial(measure="memory", cell=subject, backend=name, **shared)


def _claims(found: Mapping[Trial, Answered], circumstances: Circumstances) -> Iterator[Claim]:
    weighed = []
    for trial, answered in found.items():
        if trial.measure == "speed":
            yield from speed_claims(trial, answered, MARGIN[circumstances.device], circumstances.noise)
        else:
            weighed.append((trial, answered[0]))
    if weighed:
        (ours, found_ours), (theirs, found_theirs) = weighed[0], weighed[-1]
        weights = _weight(found_ours), _weight(found_theirs)
        yield from memory_claims((ours.pair, theirs.pair), str(ours.shape), weights)


def _weight(result: Result) -> Weight:
    return Weight.of({name: measured.value for name, measured in result.values.items()})


def speed_claims(trial: Trial, answered: Answered, margin: float, noise: float = 0.0) -> Iterator[Claim]:
    """A claim a mode of a speed trial; `margin` and `noise` as `judge` has them."""
    result, arrays = answered
    notes = noted_of(result.values, (trial.pair, trial.versus_pair))
    for mode in (mode for mode in (*MODES, *COLD_MODES) if f"{mode}_speedup" in result.values):
        low, value, high = (result.number(f"{mode}_speedup{end}") for end in ("_low", "", "_high"))
        estimate = Estimate(value=value, low=low, high=high, n=int(result.number("pairs")))
        yield Claim(
            kind="speed",
            a=trial.pair,
            b=trial.versus_pair,
            measure=mode.replace("_", " "),
            where=str(trial.shape),
            estimate=estimate,
            verdict=judge(estimate, margin, noise),
            sides=typical(arrays[mode]),
            unit="seconds",
            detectable=findable(result.number(f"{mode}_detectable"), noise),
            noise=noise,
            details={
                "rounds": result.number("rounds"),
                **first_calls(arrays["first"]),
                **notes,
            },
        )


def noted_of(values: Mapping[str, Measured], names: tuple[str, str]) -> dict[str, Any]:
    """What a claim says beside its figures: everything that was noted, `clock`, and `notes`, what is to be known."""
    plain = {name: values[name].value for name in NOTED}
    disturbed = [str(plain["disturbed"])] if plain["disturbed"] else []
    return {**plain, "clock": clock_told(plain), "notes": [*disturbed, *notes_told(plain, names)]}


def typical(samples: NDArray[Any]) -> tuple[Estimate, Estimate]:
    """By side, what is typical of it, with its interval over pairs. `samples`: [pairs, 2, …]."""
    return statistics.typical(samples[:, 0]), statistics.typical(samples[:, 1])


def first_calls(first: NDArray[Any]) -> dict[str, Any]:
    """What a claim says of first calls, seconds from the wish for a layer to the end of its first step. [pairs, 2]."""
    return {
        name: found
        for side, seconds in zip("ab", typical(first), strict=True)
        for name, found in (
            (f"{side}_first_seconds", seconds.value),
            (f"{side}_first_seconds_interval", [seconds.low, seconds.high]),
        )
    }
