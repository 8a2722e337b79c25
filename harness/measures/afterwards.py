"""After the timing: did the layer that was timed do its work? Looked at on an input that nobody can have seen."""

import os
import time
from collections.abc import Callable, Iterator
from itertools import count, islice, takewhile
from typing import Any

import torch
from torch import Tensor

from harness import seeds
from harness.backend import LayerPlan
from harness.bench.step import Step
from harness.layer import CellLayer, State, copy_weights, torch_dtype
from harness.measures.outcomes import difference
from harness.measures.step import cotangent_of, float64_of, normal, required_shape, start_of
from harness.ops import TorchOps
from harness.plugins import Catalog
from harness.trial import Subject, Trial
from harness.unroll import unroll

CHECKED = 16
"""How many steps of the sequence are compared: a loop in Python takes about a tenth of a millisecond a step."""
TRIES, ROUNDS = 4, 5
SUSPICIOUS = 2.0
"""New numbers may take so many times as long as those just seen, for caches and neighbours. It is a trick where all
tries but one say so, in every round: a trick always shows, and what else runs on the machine does not."""


class CellLoop(CellLayer):
    """A cell's own step, looped under autograd."""

    def run(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """`x`: [T, B, I] → `y`: [T, B, H] and the final states."""
        outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
        return torch.stack(outputs), final


def objection(trial: Trial, side: tuple[Subject, str], catalog: Catalog, step: Step) -> str:
    """What is wrong with a step that has been timed; "" where nothing is.

    Its first `CHECKED` steps and their gradients are compared with the cell's own step under autograd, or where the
    cell has none with a fresh layer; rounding is the gate's business: this looks for work that was not done. And
    numbers it has seen must not be faster than others.
    """
    shape, (subject, backend) = required_shape(trial), side
    cell = catalog.cell(subject.spelling)
    plan = LayerPlan(inputs=shape.inputs, hidden=shape.hidden, device=trial.device, dtype=trial.dtype)
    layer: Any = CellLoop(cell, plan) if cell.has_equation else catalog.backend(backend).build(cell, plan)
    copy_weights(layer, cell.initialise(seeds.stream(0, "initialise", cell.about.name), shape.inputs, shape.hidden))
    like = torch.empty(0, dtype=torch_dtype(trial.dtype), device=trial.device)
    secret, steps = int.from_bytes(os.urandom(6), "little"), min(shape.length, CHECKED)
    xs = (normal(like.new_empty(shape.length, shape.batch, shape.inputs), secret, k) for k in count())
    slope = normal(like.new_empty(steps, shape.batch, shape.hidden), secret)
    step.renew(x := next(xs))
    state, parameters = start_of(cell, shape, like), dict(layer.named_parameters())
    loop = Step(lambda x: layer(x, state), [x[:steps].requires_grad_()], [*parameters.values()], cotangent_of)
    names = ["y without gradients", "y", "gradient of x", *(f"gradient of {name}" for name in parameters)]
    wanted, found = (dict(zip(names, map(float64_of, one.beginning(slope)), strict=True)) for one in (loop, step))
    wrong = difference(wanted, found, trial.dtype)
    return f"it computed something else than its equation: {wrong}" if wrong else _remembered(step, xs)


def _remembered(step: Step, xs: Iterator[Tensor]) -> str:
    """Whether either mode is faster on numbers it has had than on new ones."""
    known = next(xs)
    for name, work in (("train step", step.train), ("forward pass", step.forward)):
        _seconds(step, work, known)
        rounds = (_ratio(step, work, known, xs) for _ in range(ROUNDS))
        ratios = list(takewhile(lambda ratio: ratio > SUSPICIOUS, rounds))
        if len(ratios) == ROUNDS:
            return f"a {name} on numbers it had not seen took {min(ratios):.1f} times as long as on others, or longer"
    return ""


def _ratio(step: Step, work: Callable[[], None], known: Tensor, xs: Iterator[Tensor]) -> float:
    """Time on new numbers over time on known ones, the second least of `TRIES`.

    Before each call numbers are drawn and put in place, new ones or the old ones again: caches are alike.
    """
    ratios = []
    for x in islice(xs, TRIES):
        new, _ = _seconds(step, work, x), next(xs)
        ratios.append(new / _seconds(step, work, known))
    return sorted(ratios)[1]


def _seconds(step: Step, work: Callable[[], None], x: Tensor) -> float:
    """One call's time: the processor's, which no neighbour takes from, or a GPU's from end to end."""
    clock = time.perf_counter if x.is_cuda else time.process_time
    step.renew(x)
    step.synchronise()
    began = clock()
    work()
    step.synchronise()
    return clock() - began
