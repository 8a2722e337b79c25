"""Gradients: how far back a cell hears. The norm of dL/d(state k steps before the end), by lag k.

L is the last output times a fixed random direction of length 1, one for each example. The last output is a state, so
lag 0 has the norm 1, and the norm at lag k is the share of a correction at the end that still reaches the state k steps
before: what is left of it after k Jacobians of a step (Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063, section 2).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from harness import seeds
from harness.measures import Context
from harness.measures.accuracy import learn, outcome, prepare
from harness.record import Answer, Measured, Status
from harness.sizes import layers_of_model
from harness.training import Lesson
from harness.trial import Trial

EXAMPLES = 64
"""Held-out examples over which a norm is averaged, each with a direction of its own."""
LEVELS = {"half_life": 0.5, "horizon": 0.01}
"""The shares of the norm at lag 0 to which it falls for good."""

Norms = NDArray[np.float64]


def measure(trial: Trial, context: Context) -> Answer:
    """The norms by lag at initialisation, or with the best weights of a training that accuracy would have given.

    Values: how large the cell is in the model's layers; `half_life` and `horizon`, the first lag from which on the norm
    is at most a half and at most 1 % (none where that is not within `lags`), of all states together and, as
    `horizon.<state>`, of each apart. Arrays: `lag`, `norm` and `norm.<state>`, [lags + 1]. Skipped where the model also
    reads backwards, for it has no last step.
    """
    model, lesson = prepare(trial, context)
    assert trial.model is not None  # or it could not have been prepared
    if trial.model.bidirectional:
        return Answer(values={}, status=Status.SKIPPED, reason="a model that reads both ways has no last step")
    cell, layers = context.catalog.cell(trial.cell.spelling), layers_of_model(trial.model, lesson.task.problem())
    values = {"parameters": Measured(layers.parameters(cell)), **layers.measured(cell, itemsize=4)}
    if trial.training is not None:
        course = learn(model, lesson, trial.training)
        values |= outcome(course, lesson.task.problem(), trial.training.steps)
        if course.why_diverged:
            return Answer(values=values, status=Status.DIVERGED, reason=course.why_diverged)
        model.load_state_dict(course.best_weights)
    names = cell.states(1, trial.model.hidden)
    norms = dict(zip(["", *(f".{name}" for name in names)], norms_by_lag(model, lesson), strict=True))
    if not all(np.isfinite(norm).all() for norm in norms.values()):
        return Answer(values=values, status=Status.DIVERGED, reason="a gradient's norm was not finite")
    for of, norm in norms.items():
        values |= {f"{name}{of}": Measured(falls_to(norm, level), "steps") for name, level in LEVELS.items()}
    lag = np.arange(len(norms[""]))
    values |= {"lags": Measured(len(lag) - 1, "steps"), "examples": Measured(EXAMPLES)}
    return Answer(values=values, arrays={"lag": lag} | {f"norm{of}": norm for of, norm in norms.items()})


def norms_by_lag(model: Any, lesson: Lesson) -> Norms:
    """[1 + states, lags + 1]: the mean norm over held-out examples, of all states together, then of each apart.

    Where examples are of different lengths, a lag's mean is over those that are long enough.
    """
    model.eval()
    found = []
    for number, batch in enumerate(lesson.examine("validation", EXAMPLES)):
        x = torch.from_numpy(batch.x).to(lesson.device)
        squares = squares_by_lag(model, x, seeds.stream(lesson.seed, "cotangent", lesson.name, number))
        found.append(np.sqrt(np.concatenate([squares.sum(axis=1, keepdims=True), squares], axis=1)))
    longest = max(map(len, found))
    sums = sum(np.pad(norms.sum(axis=-1), ((0, longest - len(norms)), (0, 0))) for norms in found)
    counts = sum((np.arange(longest) < len(norms)) * norms.shape[-1] for norms in found)
    return (sums / np.reshape(counts, (-1, 1))).T


def squares_by_lag(model: Any, x: Tensor, rng: np.random.Generator) -> Norms:
    """[T, states, B]: the squared norm of the gradient at each lag, for each state of the cell, all layers together.

    The layers are called step by step, so that every state on the way is a value that autograd can be asked about;
    an encoder–decoder's are its encoder's. `x`: [T, B, …], a task's input.
    """
    states, passed = None, []
    for x_t in model.embedding(x).split(1):
        _, states = model.layers(x_t, states)
        passed.append(states)
    parts = [part for states in reversed(passed) for level in states for part in level]
    gradients = _gradients(passed[-1][-1][0], parts, rng)
    squares = torch.stack([gradient.double().square().flatten(1).sum(dim=1) for gradient in gradients])
    levels, states_of_cell = len(passed[0]), len(passed[0][0])
    return squares.reshape(len(passed), levels, states_of_cell, -1).sum(dim=1).cpu().numpy()


def _gradients(last: Tensor, parts: Sequence[Tensor], rng: np.random.Generator) -> list[Tensor]:
    """d(last · direction)/d(part) of every part; zero where nothing of it reaches `last`: [B, H]."""
    direction = rng.standard_normal(tuple(last.shape))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    cotangent = torch.as_tensor(direction, dtype=last.dtype, device=last.device)
    reached = [part for part in parts if part.requires_grad]
    found = iter(torch.autograd.grad(last, reached, cotangent, materialize_grads=True))
    return [next(found) if part.requires_grad else torch.zeros_like(part) for part in parts]


def falls_to(norm: Norms, level: float) -> int | None:
    """The first lag from which on the norm is at most `level`; None where it still is not at the last lag."""
    (above,) = np.nonzero(norm > level)
    lag = int(above[-1]) + 1 if len(above) else 0
    return lag if lag < len(norm) else None
