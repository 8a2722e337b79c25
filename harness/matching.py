"""Fair sizes: the hidden size at which a cell has as many parameters, or as much state, as the reference cell.

A pure function of `cell.parameters(I, H)` and `cell.states(I, H)`. Matching belongs to the plan, not to the trial: a
trial holds the solved H plainly, so that its answer serves every grid that asks for this H, matched or not.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

from harness.blame import blamed
from harness.cell import Cell
from harness.errors import HarnessError
from harness.settings import LayerShape, ModelSettings
from harness.sizes import Layers, layers_of_model, layers_of_shape
from harness.task import Problem
from harness.trial import Trial

Matching = Literal["hidden", "parameters", "state"]
MATCHINGS: tuple[Matching, ...] = get_args(Matching)
MOST_HIDDEN = 2**20
"""A cell that is still too small with so many hidden units does not grow with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Why a trial has its hidden size: it stands for the grid's `hidden`, which the reference cell has.

    `wanted`: the parameters of the reference's layers there, or the numbers in their states; `found`: this cell's.
    """

    by: Matching
    reference: str
    hidden: int
    wanted: int
    found: int

    @property
    def residual(self) -> float:
        """By how much of the reference's size this cell's is larger."""
        return self.found / self.wanted - 1

    @property
    def what(self) -> str:
        """What is counted."""
        return "parameters" if self.by == "parameters" else "numbers of state"

    def __str__(self) -> str:
        much = "as many parameters" if self.by == "parameters" else "as much state"
        return f"{much} as {self.reference} at H{self.hidden}"


Matches = Mapping[str, tuple[Match | None, ...]]
"""By trial id, the matches a trial was planned for; None where it stands for its own hidden size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """How the cells of a section are made comparable. `by` hidden leaves every shape as it is."""

    by: Matching
    reference: Cell
    name: str

    def model(self, cell: Cell, model: ModelSettings, problem: Problem) -> tuple[ModelSettings, Match | None]:
        """The model with the cell's own hidden size; all recurrent layers count, readout and embeddings do not."""
        hidden, match = self._solve(cell, model.hidden, lambda H: layers_of_model(replace(model, hidden=H), problem))
        return replace(model, hidden=hidden), match

    def shape(self, cell: Cell, shape: LayerShape) -> tuple[LayerShape, Match | None]:
        """The shape with the cell's own hidden size."""
        hidden, match = self._solve(cell, shape.hidden, lambda H: layers_of_shape(replace(shape, hidden=H)))
        return replace(shape, hidden=hidden), match

    def _solve(self, cell: Cell, hidden: int, layers: Callable[[int], Layers]) -> tuple[int, Match | None]:
        if self.by == "hidden":
            return hidden, None
        measure = Layers.parameters if self.by == "parameters" else Layers.states
        matched = f"{cell.about.name} cannot be matched to {self.name} by {self.by}"
        with blamed(f"{matched}: it"):
            wanted = measure(layers(hidden), self.reference)
            try:
                solved = nearest(lambda H: measure(layers(H), cell), wanted)
            except ValueError as error:
                raise HarnessError(f"{matched}: {error}") from error
            found = measure(layers(solved), cell)
        return solved, Match(by=self.by, reference=self.name, hidden=hidden, wanted=wanted, found=found)


def nearest(size: Callable[[int], int], wanted: int) -> int:
    """The H ≥ 1 whose size is nearest to `wanted`, the smaller of two equally near; `size` must not fall with H.

    Raises ValueError where no H up to `MOST_HIDDEN` is large enough.
    """
    high = 1
    while size(high) < wanted:
        if high >= MOST_HIDDEN:
            raise ValueError(f"with H = {high} it has {size(high)}, which is not yet {wanted}")
        high *= 2
    above = 1 + bisect_left(range(1, high + 1), wanted, key=size)
    return min((H for H in (above - 1, above) if H >= 1), key=lambda H: abs(size(H) - wanted))


def collect(placed: Iterable[tuple[Trial, Match | None]]) -> Matches:
    """By trial id, everything a trial was planned for; trials that stand for their own size alone are left out."""
    found: dict[str, dict[Match | None, None]] = {}
    for trial, match in placed:
        found.setdefault(trial.id, {})[match] = None
    return {trial_id: tuple(matches) for trial_id, matches in found.items() if [*matches] != [None]}


def told(placed: Iterable[tuple[Trial, Match | None]]) -> list[str]:
    """What was solved for, a sentence a cell and size."""
    found = {
        f"{trial.cell} at H{trial.hidden} ({trial.task or trial.shape}) has {match.found:,} {match.what}, "
        f"{100 * match.residual:+.2f} % against {match.reference} at H{match.hidden}": None
        for trial, match in placed
        if match is not None
    }
    return [*found]


def to_plain(matches: Iterable[Match | None]) -> list[dict[str, Any] | None]:
    """Plain data, as `run.json` holds it."""
    return [None if match is None else asdict(match) for match in matches]


def from_plain(plain: Iterable[Mapping[str, Any] | None]) -> tuple[Match | None, ...]:
    """Reads `to_plain` back. Raises TypeError for anything else."""
    return tuple(None if match is None else Match(**match) for match in plain)
