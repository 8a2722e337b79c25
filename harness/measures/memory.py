"""Memory: the peak of what one warm step allocates, in bytes of the allocator, not of the process.

A process's resident size holds what freed memory left behind and what its parent had; the allocator's own count is
the same in every run. On the CPU memray hooks the malloc family and mmap; on CUDA torch's caching allocator counts.
Resting bytes (weights, inputs, cotangents) are not in the figures: gradients, which a step makes anew, are.
The same trial weighs the layer at smaller sizes too, from which follows how its memory grows.
"""

from dataclasses import replace
from functools import partial

import numpy as np

from harness import threads
from harness.bench.balance import kept_for_backward, warm, weighed
from harness.bench.scales import Scales, scales_of
from harness.bench.step import Step
from harness.bench.weight import COUNTED, Weight
from harness.layer import torch_dtype
from harness.measures import Context
from harness.measures.step import build_step, parameter_count, required_shape
from harness.record import Answer, Measured, Status
from harness.settings import LayerShape
from harness.sizes import layers_of_shape
from harness.trial import Trial


def measure(trial: Trial, context: Context) -> Answer:
    """Weighs the train step, the forward pass, and what is alive between forward and backward.

    Skipped where there is no memray for a CPU trial. Raises HarnessError for a trial without shape and where a pool
    has not the trial's threads. Array `scaling`: [k, 4], T, B, H and the activation bytes at k sizes.
    """
    shape = required_shape(trial)
    scales = scales_of(trial.device, context.folder)
    if scales is None:
        return Answer(values={}, status=Status.SKIPPED, reason="memray is not installed, and CPU memory needs it")
    threads.fix(trial.threads)
    least, *smaller = _smaller(shape)
    first = _step(trial, context, least)
    warm(first)
    # The first weighing of all shows some 9 KB more than all later ones: this is where it is taken.
    rows = [_row(least, kept_for_backward(first, scales))]
    make, verify = partial(_step, trial, context, shape), partial(threads.verify, trial.threads)
    _, weight = weighed(make, scales, verify)
    rows += [_row(size, _kept(_step(trial, context, size), scales)) for size in smaller]
    rows.append(_row(shape, weight.activation_bytes))
    values = _weight_values(weight) | _sizes(trial, context)
    return Answer(values=values, arrays={"scaling": np.array(rows, dtype=np.int64)})


def _smaller(shape: LayerShape) -> list[LayerShape]:
    """Where the layer is weighed beside its own shape: eight sizes, as far as T, B and H divide.

    Around half of everything each of T, B and H alone at a quarter and in full, then half of H alone: with the shape
    itself as few as tell the terms of `report/scaling.py` apart and leave three over. All together are a step and a
    half of the shape itself. The first has the shape's H: libraries keep what they pack of weights.
    """
    parts = [(2, 2, 1), (2, 2, 2), (4, 2, 2), (2, 4, 2), (2, 2, 4), (1, 2, 2), (2, 1, 2), (1, 1, 2)]
    T, B, H = shape.length, shape.batch, shape.hidden
    sizes = [replace(shape, length=max(1, T // t), batch=max(1, B // b), hidden=max(1, H // h)) for t, b, h in parts]
    return [size for size in dict.fromkeys(sizes) if size != shape] or [shape]


def _step(trial: Trial, context: Context, shape: LayerShape) -> Step:
    return build_step(replace(trial, shape=shape), (trial.cell, trial.backend), context.catalog)


def _kept(step: Step, scales: Scales) -> int:
    """At another size: one step fills what the layer itself fills at its first call, the libraries are warm."""
    step.train()
    return kept_for_backward(step, scales)


def _row(shape: LayerShape, activation_bytes: int) -> list[int]:
    return [shape.length, shape.batch, shape.hidden, activation_bytes]


def _weight_values(weight: Weight) -> dict[str, Measured]:
    """The counts; and what is said of them, which another run may say otherwise."""
    counted = {name: Measured(getattr(weight, name), "bytes") for name in COUNTED}
    noted = weight.noted().items()
    return counted | {n: Measured(v, "bytes" if n.endswith("_bytes") else "", timed=True) for n, v in noted}


def _sizes(trial: Trial, context: Context) -> dict[str, Measured]:
    """What follows from the cell alone: its parameters, and one sequence's states."""
    shape = required_shape(trial)
    cell = context.catalog.cell(trial.cell.spelling)
    itemsize = torch_dtype(trial.dtype).itemsize
    parameters = parameter_count(cell, shape)
    return {
        "parameters": Measured(parameters),
        "parameter_bytes": Measured(parameters * itemsize, "bytes"),
        **layers_of_shape(shape).measured(cell, itemsize),
    }
