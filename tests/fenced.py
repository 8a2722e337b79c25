"""`python tests/fenced.py`: both directions on the CPU with every array between pages that nobody may touch.

A byte outside an array ends the process, one that is read before it is written is NaN. With `--short` the
packed weights are too short, for a test to see that it is noticed. The flags are those of every day, so that the
processor's widest loads and stores are watched, which AddressSanitizer cannot; and the sizes are the Python side's own.
"""

import ctypes
import math
import sys
from pathlib import Path

import torch

from harness import plugins
from harness.backend import LayerPlan
from harness_fused import passes
from harness_fused.kernel import kernel_of

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
LIBC.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
PAGE = 4096
READ_AND_WRITE, PRIVATE_AND_ANONYMOUS = 3, 0x22
LINE = 64

SHORT = "--short" in sys.argv
CELLS = ("lstm", "gru_reset_before", "peephole_lstm", "lem")
SHAPES = (
    (1, 1, 1, 1), (3, 1, 2, 17), (4, 1, 40, 33), (50, 1, 2, 17),
    (5, 3, 5, 7), (2, 17, 3, 16), (3, 9, 33, 19), (2, 8, 64, 64),
)  # fmt: skip


def fenced(shape, line=1):
    """A tensor of NaN that ends at such a page, or begins at the last multiple of `line` bytes that lets it."""
    size = math.prod(shape) * 4
    if not size:
        return torch.empty(shape)
    room = -(-size // PAGE) * PAGE
    first = LIBC.mmap(None, room + 2 * PAGE, READ_AND_WRITE, PRIVATE_AND_ANONYMOUS, -1, 0)
    for fence in (first, first + PAGE + room):
        assert LIBC.mprotect(fence, PAGE, 0) == 0
    start = (first + PAGE + room - size) // line * line
    return torch.frombuffer((ctypes.c_char * size).from_address(start), dtype=torch.float32).view(shape).fill_(math.nan)


def inside(tensor):
    """The same numbers, fenced."""
    return fenced(tensor.shape).copy_(tensor)


def array_of_a_pass(_, *size):
    """In place of `Pass.empty`; weights lie at multiples of 64 bytes."""
    if SHORT and len(size) == 1:
        size = (max(0, size[0] - LINE // 4),)
    return fenced(size, LINE)


def both_directions(kernel, inputs, cotangents, recompute):
    """y, the final states and every gradient; y without a backward must be the same."""
    y, final, kept = passes.forward(kernel, inputs, True, recompute)
    unkept = passes.forward(kernel, inputs, False)[0]
    assert torch.equal(y, unkept)
    found = passes.backward(kernel, inputs, [y, *kept], cotangents, [True] * len(inputs), recompute)
    return [y, *final, *found]


def drawn(kernel, shape):
    """Inputs and cotangents."""
    T, B, I, H = shape
    states = len(kernel.recurrence.next)
    sizes = [(T, B, I), *[(B, H)] * states, *kernel.shapes.values(), (T, B, H), *[(B, H)] * states]
    generator = torch.Generator().manual_seed(0)
    numbers = [torch.randn(size, generator=generator) for size in sizes]
    return numbers[: -1 - states], numbers[-1 - states :]


def main():
    """Every cell at every shape, on one thread and on two."""
    catalog = plugins.load(sorted((Path(__file__).parent / "cells").glob("*.py")))
    passes.FEWEST = 0
    free = passes.Pass.empty
    for cell in CELLS:
        for n, shape in enumerate(SHAPES):
            torch.set_num_threads(1 + n % 2)
            kernel = kernel_of(catalog.cells[cell].value, LayerPlan(inputs=shape[2], hidden=shape[3]))
            numbers = drawn(kernel, shape)
            for recompute in (None, 2):
                passes.Pass.empty = free
                wanted = both_directions(kernel, *numbers, recompute)
                passes.Pass.empty = array_of_a_pass
                found = both_directions(kernel, *([inside(tensor) for tensor in side] for side in numbers), recompute)
                assert all(map(torch.equal, found, wanted)), (cell, shape, recompute)


if __name__ == "__main__":
    main()
