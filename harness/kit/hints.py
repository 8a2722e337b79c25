"""What may be the cause of a failure: suspicions that are tried out, and told where the numbers agree."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import torch

from harness.cell import Cell
from harness.conformance.cases import Array
from harness.kit.trying import close
from harness.ops import NumpyOps, TorchOps
from harness.unroll import unroll

MOST_GATES = 4
Weights = Mapping[str, Array]
Computed = Callable[[], tuple[Array, tuple[Array, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Run:
    """One forward run in float64: x [T, B, I], the initial states, the weights; y and the final states it led to."""

    x: Array
    start: tuple[Array, ...]
    weights: Weights
    y: Array
    final: tuple[Array, ...]


def forward_cause(cell: Cell, run: Run, others: Iterable[Cell] = ()) -> str:
    """What, done to the equation, gives what was found, or "". `others`: cells that it may be instead."""
    for words, computed in _suspicions(cell, run, others):
        try:
            y, final = computed()
        except Exception:  # noqa: BLE001 — a suspicion that cannot be computed is none
            continue
        if close(run.y, y) and all(close(a, b) for a, b in zip(run.final, final, strict=False)):
            return words
    return _final_cause(cell, run)


def _suspicions(cell: Cell, run: Run, others: Iterable[Cell]) -> Iterator[tuple[str, Computed]]:
    again = _Again(cell, run)
    I, H = run.x.shape[2], run.y.shape[2]
    for name, weight in run.weights.items():
        if weight.ndim == 1:
            yield f"`{name}` is not added", again.weighed({**run.weights, name: np.zeros_like(weight)})
    vectors = {name: np.zeros_like(w) if w.ndim == 1 else w for name, w in run.weights.items()}
    yield "no bias is added", again.weighed(vectors)
    yield "the initial state is not used", lambda: again.run(start=tuple(map(np.zeros_like, run.start)))
    yield "the state is not handed on from step to step", again.memoryless
    yield "the sequence is run through backwards", lambda: again.run(x=run.x[::-1])
    for name, weight in run.weights.items():
        if weight.ndim == 2 and weight.shape[1] == H and weight.shape[0] % H == 0:
            blocks = [block.T for block in np.split(weight, weight.shape[0] // H)]
            yield f"`{name}` is transposed, gate by gate", again.weighed({**run.weights, name: np.concatenate(blocks)})
    gates = _gates(run.weights, H)
    for order in permutations(range(gates)):
        if order != tuple(range(gates)):
            words = f"the gates stand in another order: {_order(order)} where the equation has {_order(range(gates))}"
            yield words, again.weighed(_reordered(run.weights, H, order))
    for gate in range(gates if gates > 1 else 0):
        words = f"gate {gate + 1} of {gates} is the other way round: 1 − z where the equation has z"
        yield words, again.weighed(_negated(run.weights, H, gate))
    yield "all but the first step see the state of the step before last", again.late
    shapes = cell.parameters(I, H), cell.states(I, H)
    for other in others:
        if other.about.name != cell.about.name and (other.parameters(I, H), other.states(I, H)) == shapes:
            yield f"it computes `{other.about.name}`", _Again(other, run).run


class _Again:
    """The equation once more, with something changed."""

    def __init__(self, cell: Cell, run: Run) -> None:
        self._cell, self._run = cell, run

    def run(
        self, x: Array | None = None, start: tuple[Array, ...] | None = None, weights: Weights | None = None
    ) -> tuple[Array, tuple[Array, ...]]:
        run = self._run
        given = (dict(weights or run.weights), run.x if x is None else x, run.start if start is None else start)
        with np.errstate(all="ignore"):
            y, final = unroll(self._cell, NumpyOps(), *given)
        return np.stack(y), final

    def weighed(self, weights: Weights) -> Computed:
        return lambda: self.run(weights=weights)

    def memoryless(self) -> tuple[Array, tuple[Array, ...]]:
        steps = [self.run(x=self._run.x[t : t + 1]) for t in range(len(self._run.x))]
        return np.concatenate([y for y, _ in steps]), steps[-1][1]

    def late(self) -> tuple[Array, tuple[Array, ...]]:
        """Every step starts from the state two steps back."""
        before, state, outputs = self._run.start, self._run.start, []
        for t in range(len(self._run.x)):
            y, after = self.run(x=self._run.x[t : t + 1], start=before)
            before, state = state, after
            outputs.append(y)
        return np.concatenate(outputs), state


def _final_cause(cell: Cell, run: Run) -> str:
    """Where y is right and the final states are not."""
    y, final = _Again(cell, run).run()
    if not close(run.y, y):
        return ""
    if len(run.x) > 1:
        earlier = _Again(cell, run).run(x=run.x[:-1])[1]
        if all(close(a, b) for a, b in zip(run.final, earlier, strict=False)):
            return "the final state is that of the step before the last"
    if all(close(a, b) for a, b in zip(run.final, run.start, strict=False)):
        return "the final state is the initial one"
    if any(close(run.final[i], final[k]) for i in range(len(final)) for k in range(len(final)) if i != k):
        return "the final states stand in another order"
    return ""


def gradient_cause(name: str, found: Array, wanted: Array, truncated: Array | None) -> str:
    """Why a gradient is wrong although the outputs are right. `truncated`: with the state detached at every step."""
    if not np.any(found) and np.any(wanted):
        return f"no gradient reaches {name.removeprefix('gradient of ')}"
    if truncated is not None and close(found, truncated) and not close(wanted, truncated):
        return "the state is detached between the steps: gradients reach one step back only"
    flat = float(np.vdot(wanted, wanted))
    ratio = float(np.vdot(found, wanted)) / flat if flat else np.nan
    if np.isfinite(ratio) and close(found, ratio * wanted):
        return f"it is {ratio:.4g} times what it should be"
    if any(close(turned, wanted) for turned in _turned(found)):
        return "its gates stand in another order than the weights'"
    if wanted.ndim == 2 and wanted.shape[0] == wanted.shape[1] and close(found.T, wanted):
        return "it is transposed"
    return "its steps stand backwards" if wanted.ndim == 3 and close(found[::-1], wanted) else ""


def _turned(gradient: Array) -> Iterator[Array]:
    """With its blocks of rows in every other order."""
    for gates in range(2, MOST_GATES + 1):
        if len(gradient) % gates == 0:
            parts = np.split(gradient, gates)
            orders = [order for order in permutations(range(gates)) if order != tuple(range(gates))]
            yield from (np.concatenate([parts[k] for k in order]) for order in orders)


def truncated_gradients(cell: Cell, run: Run, cotangents: tuple[Array | None, ...]) -> dict[str, Array]:
    """By name, gradients of x and the parameters with the state detached at every step, float64."""
    weights = {name: torch.tensor(w, requires_grad=True) for name, w in run.weights.items()}
    x = torch.tensor(run.x, requires_grad=True)
    state, outputs = tuple(torch.tensor(part) for part in run.start), []
    for t in range(len(run.x)):
        state = cell.step(TorchOps(), weights, x[t], tuple(part.detach() for part in state))
        outputs.append(state[0])
    results = (torch.stack(outputs), *state)
    used = [(torch.tensor(c) * r).sum() for c, r in zip(cotangents, results, strict=True) if c is not None]
    total = torch.stack(used).sum()
    leaves = {"gradient of x": x, **{f"gradient of {name}": w for name, w in weights.items()}}
    found = torch.autograd.grad(total, [*leaves.values()], allow_unused=True)
    given: zip[tuple[str, torch.Tensor | None]] = zip(leaves, found, strict=True)
    return {name: np.zeros(leaves[name].shape) if g is None else g.numpy() for name, g in given}


def _gates(weights: Weights, H: int) -> int:
    """How many blocks of H rows the parameters that have several have, 1 where they do not agree."""
    found = {len(w) // H for w in weights.values() if w.ndim and len(w) % H == 0 and len(w) > H}
    return min(found.pop(), MOST_GATES) if len(found) == 1 else 1


def _reordered(weights: Weights, H: int, order: tuple[int, ...]) -> dict[str, Array]:
    def turned(weight: Array) -> Array:
        if not weight.ndim or len(weight) != len(order) * H:
            return weight
        parts = np.split(weight, len(order))
        return np.concatenate([parts[k] for k in order])

    return {name: turned(weight) for name, weight in weights.items()}


def _negated(weights: Weights, H: int, gate: int) -> dict[str, Array]:
    """σ(−a) = 1 − σ(a): one gate's rows with the other sign."""
    changed = {}
    for name, weight in weights.items():
        changed[name] = weight.copy()
        if weight.ndim and len(weight) > H and len(weight) % H == 0:
            changed[name][gate * H : (gate + 1) * H] *= -1
    return changed


def _order(order: Iterable[int]) -> str:
    return "(" + ", ".join(str(k + 1) for k in order) + ")"
