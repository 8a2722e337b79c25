"""The one training loop, the same for every cell, backend and task. Imports torch."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness import seeds
from harness.model import EncoderDecoder
from harness.settings import TrainingSettings
from harness.task import Batch, Kind, Problem, Split, Symbols, Task


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What is known after `step` optimiser steps.

    `scores`: validation score by metric; `losses`: the training losses since the last evaluation; `seconds`: time
    spent training so far, evaluations left out; `diverged`: the last loss was not finite, training has ended.
    """

    step: int
    scores: dict[str, float]
    losses: list[float]
    seconds: float
    diverged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """What is learned: a task under its name, with the trial's seed, on a device."""

    task: Task
    name: str
    seed: int
    device: str

    def batch(self, k: int, size: int) -> Batch:
        """Training batch `k`: it depends on (seed, task, k) alone."""
        return self.task.batch(seeds.stream(self.seed, "train", self.name, k), size)

    def examine(self, split: Split, size: int) -> list[Batch]:
        """The held-out batches of a split, the same whatever the cell."""
        return self.task.examine(seeds.stream(self.seed, split, self.name), size, split)


def train(model: nn.Module, lesson: Lesson, settings: TrainingSettings) -> Iterator[Evaluation]:
    """Trains for `settings.steps` steps, yielding at every evaluation; the caller stops by not asking on."""
    problem = lesson.task.problem()
    parameters = list(model.parameters())
    optimiser = torch.optim.Adam(parameters, lr=settings.learning_rate, fused=True)
    exam = lesson.examine("validation", settings.validation)
    seconds, losses = 0.0, []
    model.train()
    for step in range(1, settings.steps + 1):
        began = _now(lesson.device)
        loss = _loss(model, problem, lesson.batch(step, settings.batch), lesson.device)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip is not None:
            nn.utils.clip_grad_norm_(parameters, settings.clip)
        optimiser.step()
        losses.append(loss.item())
        seconds += _now(lesson.device) - began
        diverged = not np.isfinite(losses[-1])
        if diverged or step % settings.evaluate_every == 0 or step == settings.steps:
            scores = {} if diverged else evaluate(model, lesson.task, exam, lesson.device)
            yield Evaluation(step=step, scores=scores, losses=losses, seconds=seconds, diverged=diverged)
            losses = []
            if diverged:
                return


def evaluate(model: nn.Module, task: Task, exam: list[Batch], device: str) -> dict[str, float]:
    """The score by metric over held-out batches; the model is left as it was."""
    totals: dict[str, np.ndarray] = {}
    was_training = model.training
    model.eval()
    with torch.no_grad():
        for batch in exam:
            for name, tally in task.score(batch, _predict(model, batch, device)).items():
                totals[name] = totals.get(name, np.zeros(2)) + tally
    model.train(was_training)
    return {name: float(total / count) for name, (total, count) in totals.items()}


def _predict(model: nn.Module, batch: Batch, device: str) -> np.ndarray:
    x = torch.from_numpy(batch.x).to(device)
    predicted: Tensor = model.decode(x) if isinstance(model, EncoderDecoder) else model(x)
    return predicted.cpu().numpy()


def _loss(model: nn.Module, problem: Problem, batch: Batch, device: str) -> Tensor:
    """Mean squared error, or cross-entropy in nats, over what the mask lets count."""
    x, target = torch.from_numpy(batch.x).to(device), torch.from_numpy(batch.target).to(device)
    inputs: tuple[Any, ...] = (x, target) if problem.kind == Kind.ENCODER_DECODER else (x,)
    predicted = model(*inputs)
    if not isinstance(problem.target, Symbols):
        return functional.mse_loss(predicted, target)
    if batch.mask is not None:
        mask = torch.from_numpy(batch.mask).to(device)
        predicted, target = predicted[mask], target[mask]
    return functional.cross_entropy(predicted.flatten(0, -2), target.flatten())


def _now(device: str) -> float:
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
