"""Memory: the peak of what one warm step allocates, in bytes of the allocator, not of the process.

A process's resident size holds what freed memory left behind and what its parent had; the allocator's own count is
the same in every run. On the CPU memray hooks the malloc family and mmap; on CUDA torch's caching allocator counts.
Resting bytes (weights, inputs, cotangents) are not in the figures: gradients, which a step makes anew, are.
The same trial weighs the layer at smaller sizes too, from which follows how its memory grows.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from harness import threads
from harness.bench.balance import warm
from harness.bench.scales import Scales, scales_of, weigh
from harness.bench.step import Step
from harness.layer import torch_dtype
from harness.measures import Context
from harness.measures.step import build_step, parameter_count, required_shape
from harness.measures.unseen import Unseen, made_and_warmed, taken_unseen
from harness.record import Answer, Measured, Status
from harness.settings import LayerShape
from harness.sizes import layers_of_shape
from harness.trial import Trial

WEIGHINGS = 3
"""The least counts: objects of Python's own, a kilobyte or ten, fall into some of them. Two must agree."""


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
    rows = [_row(least, _activations(_step(trial, context, least), scales))]  # now the libraries have their buffers
    # The first step under memray shows some 9 KB more than all later ones: this is where it is taken.
    step, unseen = made_and_warmed(partial(_step, trial, context, shape), warm, scales)
    threads.verify(trial.threads)
    weighings = [weigh(step, scales) for _ in range(WEIGHINGS)]
    weighed = {name: min(weighing[name] for weighing in weighings) for name in weighings[0]}
    agreed = all(sum(w[name] == least for w in weighings) > 1 for name, least in weighed.items())
    peak = weighed["train_peak_bytes"]
    missed = taken_unseen(step, scales, peak)
    unseen = replace(unseen, bytes=missed if math.isnan(missed) else max(unseen.bytes, missed))

    rows += [_row(size, _activations(_step(trial, context, size), scales)) for size in smaller]
    rows.append(_row(shape, weighed["activation_bytes"]))
    values = {name: Measured(value, "bytes") for name, value in weighed.items()}
    values |= {"repeatable": Measured(agreed)} | _unseen_values(unseen, peak) | _sizes(trial, context)
    return Answer(values=values, arrays={"scaling": np.array(rows, dtype=np.int64)})


def _smaller(shape: LayerShape) -> list[LayerShape]:
    """The shape with T and B halved together, then T, B and H alone, as far as they can be; at least one."""
    half = {name: getattr(shape, name) // 2 for name in ("length", "batch", "hidden") if getattr(shape, name) > 1}
    together = {name: size for name, size in half.items() if name != "hidden"}
    return list(dict.fromkeys(replace(shape, **sizes) for sizes in (together, *({n: s} for n, s in half.items()))))


def _step(trial: Trial, context: Context, shape: LayerShape) -> Step:
    return build_step(replace(trial, shape=shape), (trial.cell, trial.backend), context.catalog)


def _activations(step: Step, scales: Scales) -> int:
    warm(step)
    step.clear()
    return min(scales.kept(step.outputs) for _ in range(2))  # an arena of Python's may fall into one of them


def _row(shape: LayerShape, activation_bytes: int) -> list[int]:
    return [shape.length, shape.batch, shape.hidden, activation_bytes]


def _unseen_values(unseen: Unseen, peak: int) -> dict[str, Measured]:
    return {
        "unseen_bytes": Measured(unseen.bytes, "bytes", timed=True),
        "held_bytes": Measured(unseen.held, "bytes", timed=True),
        "hides": Measured(unseen.hides(peak)),
        "hoards": Measured(unseen.hoards(peak)),
    }


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
