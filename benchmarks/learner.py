"""A small training of the suite's own: the adding problem, the same for every cell and backend.

Of two numbers in a sequence, marked by ones in a second channel, the sum is asked for (Hochreiter & Schmidhuber 1997).
A change here needs another `VERSION`.
"""

import torch
import torch._dynamo  # what the first optimiser step would import in every process anew
from torch import Tensor, nn
from torch.nn import functional

VERSION = "1"

HIDDEN, LENGTH, BATCH = 24, 8, 32
STEPS, LEARNING_RATE = 300, 1e-2
EXAMINED = 1024
VARIANCE = 1 / 6
"""Of the sum of two numbers between 0 and 1: the error of who always answers 1."""
SMALLEST = 1e-6


def error(layer: nn.Module, seed: int) -> float:
    """The squared error after `STEPS` steps as a share of `VARIANCE`: 1 has learned nothing. NaN where it diverged.

    layer: [T, B, 2] → [T, B, HIDDEN]. Equal seed, equal numbers; it is computed on one thread.
    """
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    readout = nn.Linear(HIDDEN, 1)
    with torch.no_grad():
        for part in readout.parameters():
            part.uniform_(-(HIDDEN**-0.5), HIDDEN**-0.5, generator=generator)
    parameters = [*layer.parameters(), *readout.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    for _ in range(STEPS):
        x, wanted = _examples(BATCH, generator)
        optimiser.zero_grad()
        functional.mse_loss(readout(layer(x)[0][-1]), wanted).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
    with torch.no_grad():
        x, wanted = _examples(EXAMINED, torch.Generator().manual_seed(10_000 + seed))
        found = float(functional.mse_loss(readout(layer(x)[0][-1]), wanted))
    return max(SMALLEST, found / VARIANCE) if found < float("inf") else float("nan")


def _examples(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """x: [T, count, 2]; the sums: [count, 1]. One mark lies in each half."""
    numbers = torch.rand(LENGTH, count, generator=generator)
    half = LENGTH // 2
    first = torch.randint(half, (count,), generator=generator)
    second = torch.randint(half, LENGTH, (count,), generator=generator)
    marks = functional.one_hot(first, LENGTH).T + functional.one_hot(second, LENGTH).T
    return torch.stack([numbers, marks.float()], dim=2), (numbers * marks).sum(0)[:, None]
