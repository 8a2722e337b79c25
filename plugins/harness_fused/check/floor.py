"""What no kernel of this kind can be faster than: the barriers of its steps alone, and its weights read once."""

from functools import cache

import torch
from torch import Tensor

from harness.bench.clocks import Clock
from harness_fused.check.place import Place
from harness_fused.cuda.passes import Pass, Way

SAMPLES = 5
COPIED_BYTES = 1 << 28


def floor_seconds(place: Place, way: Way, x: Tensor, clock: Clock) -> float:
    """Of one forward pass over x [T, B, I]. The route `steps` reads its weights in every step."""
    weights = _weights_seconds(place, way, clock)
    if way.plan.barrier is None:
        return weights * (len(x) if way.plan.route == "steps" else 1)
    work = Pass(way, _inputs(way, x))
    samples = []
    for _ in range(SAMPLES):
        for buffer in way.plan.buffers:
            if buffer.zeroed:
                work.given[buffer.name].zero_()
        samples.append(clock.seconds(lambda: work.launch(way.plan.barrier), 1))
    return min(samples) + weights


def _inputs(way: Way, x: Tensor) -> list[Tensor]:
    """What a pass wants: x, states, weights; a barrier reads none of it."""
    states = [x.new_zeros(x.shape[1], way.kernel.recurrence.hidden) for _ in way.kernel.recurrence.next]
    return [x, *states, *(x.new_zeros(shape) for shape in way.kernel.shapes.values())]


def _weights_seconds(place: Place, way: Way, clock: Clock) -> float:
    pairs = {(term.acc, term.operand) for term in way.kernel.terms if term.operand >= 0}
    size = 4 if way.plan.dtype == "float32" else 2
    return len(pairs) * way.kernel.recurrence.hidden**2 * size / _bytes_per_second(place, clock)


@cache
def _bytes_per_second(place: Place, clock: Clock) -> float:
    """How fast memory is read: half of what a copy moves."""
    taken = torch.empty(COPIED_BYTES >> (8 * place.rehearsal), dtype=torch.int8, device=place.device)
    given = torch.ones_like(taken)
    seconds = min(clock.seconds(lambda: taken.copy_(given), 1) for _ in range(SAMPLES))
    return 2 * len(taken) / seconds
