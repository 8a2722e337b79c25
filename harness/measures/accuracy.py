"""Accuracy: does the cell learn the task, after how many steps, and how well."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from harness.backend import LayerPlan
from harness.errors import HarnessError
from harness.measures import Context
from harness.model import LayerBuilder, build_model
from harness.precision import set_tf32
from harness.record import Answer, Measured, Status
from harness.settings import TrainingSettings
from harness.sizes import layers_of_model
from harness.task import Criterion, Metric, Problem
from harness.training import Evaluation, Lesson, evaluate, train
from harness.trial import Trial


def measure(trial: Trial, context: Context) -> Answer:
    """Trains once, stops early only by the task's criterion, tests the best weights once.

    The best weights are those of the evaluation with the best validation score by the leading metric.
    """
    if trial.training is None or trial.model is None:
        raise HarnessError(f"wanted an accuracy trial with a model and a training, found {trial}")
    model, lesson = prepare(trial, context)
    cell = context.catalog.cell(trial.cell.spelling)
    task, problem = lesson.task, lesson.task.problem()

    course = learn(model, lesson, trial.training)

    values = outcome(course, problem, trial.training.steps)
    values |= {f"baseline.{name}": Measured(score) for name, score in task.baseline().items()}
    values |= _sizes(model) | layers_of_model(trial.model, problem).measured(cell, itemsize=4)
    status = Status.DIVERGED if course.why_diverged else Status.OK
    if status == Status.OK:
        model.load_state_dict(course.best_weights)
        exam = lesson.examine("test", trial.training.test)
        values |= {f"test.{name}": Measured(score) for name, score in evaluate(model, task, exam, trial.device).items()}
        values["tested"] = Measured(sum(batch.x.shape[1] for batch in exam), "examples")
    curves, timed = _curves(problem, course.history), frozenset({"seconds"})
    return Answer(values=values, arrays=curves, timed_arrays=timed, status=status, reason=course.why_diverged)


def prepare(trial: Trial, context: Context) -> tuple[torch.nn.Module, Lesson]:
    """The trial's model with its initial weights, and what it is to learn; fixes threads and determinism.

    Raises HarnessError for a trial without task, model or seed.
    """
    if trial.task is None or trial.model is None or trial.seed is None:
        raise HarnessError(f"wanted a trial with task, model and seed, found {trial}")
    _settle(trial)
    task = context.catalog.task(trial.task.spelling)
    cell = context.catalog.cell(trial.cell.spelling)
    plan = LayerPlan(inputs=0, hidden=trial.model.hidden, device=trial.device, dtype=trial.dtype)
    builder = LayerBuilder(cell, context.catalog.backend(trial.backend), plan, trial.seed)
    model = build_model(builder, task.problem(), trial.model).to(trial.device)
    return model, Lesson(task=task, name=str(trial.task), seed=trial.seed, device=trial.device)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """How a training went: every evaluation, the best one and its weights (none if it diverged before any)."""

    history: list[Evaluation]
    best: Evaluation | None
    best_weights: dict[str, Any]
    solved: bool

    @property
    def why_diverged(self) -> str:
        """The loss that was not finite, and its step; "" where all were."""
        last = self.history[-1]
        return f"the loss was {last.losses[-1]} at step {last.step}" if last.diverged else ""


def learn(model: torch.nn.Module, lesson: Lesson, settings: TrainingSettings) -> Course:
    """Trains until the criterion is met, the budget is spent, or the loss is not finite."""
    problem = lesson.task.problem()
    history: list[Evaluation] = []
    best, best_weights = None, {}
    for evaluation in train(model, lesson, settings):
        history.append(evaluation)
        if evaluation.diverged:
            break
        if best is None or _improves(evaluation, best, problem.metrics[0]):
            best, best_weights = evaluation, copy.deepcopy(model.state_dict())
        if is_solved(problem.solved, history):
            return Course(history=history, best=best, best_weights=best_weights, solved=True)
    return Course(history=history, best=best, best_weights=best_weights, solved=False)


def is_solved(criterion: Criterion | None, history: list[Evaluation]) -> bool:
    """Whether the last evaluations meet the criterion, as many in a row as it asks for."""
    if criterion is None or len(history) < criterion.consecutive:
        return False
    scores = [evaluation.scores.get(criterion.metric, float("nan")) for evaluation in history[-criterion.consecutive :]]
    if criterion.better == "lower":
        return all(score < criterion.threshold for score in scores)
    return all(score >= criterion.threshold for score in scores)


def _settle(trial: Trial) -> None:
    """Fixes what could make the same trial answer differently."""
    torch.set_num_threads(trial.threads)
    torch.use_deterministic_algorithms(True)
    if trial.device == "cuda":
        set_tf32(trial.dtype)
        torch.backends.cudnn.benchmark = False


def _improves(a: Evaluation, b: Evaluation, metric: Metric) -> bool:
    return metric.is_better(a.scores[metric.name], b.scores[metric.name])


def outcome(course: Course, problem: Problem, budget: int) -> dict[str, Measured]:
    """What a training came to: solved or not, after how many steps, the best validation scores."""
    last = course.history[-1]
    values = {
        "primary": Measured(problem.metrics[0].name),
        "better": Measured(problem.metrics[0].better),
        "steps": Measured(last.step, "steps"),
        "budget": Measured(budget, "steps"),
        "train_seconds": Measured(last.seconds, "s", timed=True),
    }
    if problem.solved is not None:
        values["criterion"] = Measured(problem.solved.threshold)
        values["criterion_metric"] = Measured(problem.solved.metric)
        values["solved"] = Measured(course.solved)
        values["steps_to_solved"] = Measured(last.step if course.solved else None, "steps")
        values["seconds_to_solved"] = Measured(last.seconds if course.solved else None, "s", timed=True)
    if course.best is not None:
        values["best_step"] = Measured(course.best.step, "steps")
        values |= {f"validation.{name}": Measured(score) for name, score in course.best.scores.items()}
    return values


def _sizes(model: torch.nn.Module) -> dict[str, Measured]:
    counts = {name: parameter.numel() for name, parameter in model.named_parameters()}
    of_cells = sum(count for name, count in counts.items() if name.startswith(("layers.", "decoder.")))
    return {"parameters": Measured(sum(counts.values())), "cell_parameters": Measured(of_cells)}


def _curves(problem: Problem, history: list[Evaluation]) -> dict[str, np.ndarray[Any, Any]]:
    evaluated = [evaluation for evaluation in history if evaluation.scores]
    curves = {
        "step": np.array([evaluation.step for evaluation in evaluated]),
        "seconds": np.array([evaluation.seconds for evaluation in evaluated]),
        "train_loss": np.array([loss for evaluation in history for loss in evaluation.losses], dtype=np.float32),
    }
    for metric in problem.metrics:
        curves[f"validation.{metric.name}"] = np.array([evaluation.scores[metric.name] for evaluation in evaluated])
    return curves
