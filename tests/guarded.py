"""Runs kernels in the emulation, every array between pages that nobody may touch: reaching beyond ends the process.

`python guarded.py [beyond]`; with `beyond` a kernel is told of one row more than there is.
"""

import ctypes
import mmap
import sys
from pathlib import Path

import torch

import emulated
from harness import plugins
from harness_fused.cuda.emulation import Emulation, address

HERE = Path(__file__).parent
SUBJECTS = (
    ("lstm", "block", "bfloat16", (3, 11, 1, 37)),
    ("lstm", "grid", "float32", (3, 11, 1, 37)),
    ("gru_reset_before", "grid", "bfloat16", (2, 5, 3, 13)),
    ("peephole_lstm", "block", "float32", (2, 5, 3, 13)),
    ("lem", "steps", "float16", (4, 3, 2, 20)),
)


class Guarded(Emulation):
    """Arrays end where a page begins, or begin where one ends."""

    rows_more = 0

    def __call__(self, launch, given):
        for at_end in (True, False):
            arrays = {name: (t, *_between_pages(t, at_end)) for name, t in given.items() if isinstance(t, torch.Tensor)}
            places = {name: place for name, (_, _, place) in arrays.items()}
            super().__call__(launch, {**given, **places, "batch": given["batch"] + self.rows_more})
        for tensor, _, place in arrays.values():  # of the second run
            ctypes.memmove(address(tensor), place, tensor.nbytes)


def _between_pages(tensor, at_end):
    """The memory, and where in it a copy of the tensor begins."""
    pages = -(-tensor.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 2) * mmap.PAGESIZE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    first, last = start + mmap.PAGESIZE, start + (pages + 1) * mmap.PAGESIZE
    for page in (start, last):
        ctypes.CDLL(None).mprotect(ctypes.c_void_p(page), ctypes.c_size_t(mmap.PAGESIZE), 0)
    place = last - tensor.nbytes if at_end else first
    ctypes.memmove(place, address(tensor), tensor.nbytes)
    return memory, place


def main():
    """Says how often the allowed error the worst was."""
    torch.set_num_threads(1)
    Guarded.rows_more = int("beyond" in sys.argv)
    emulated.Emulation = Guarded
    catalog = plugins.load(sorted((HERE / "cells").glob("*.py")))
    for cell, route, dtype, shape in SUBJECTS:
        made = emulated.subject(catalog.cells[cell].value, shape, dtype, route)
        print(cell, route, dtype, emulated.worst_excess(made), flush=True)


if __name__ == "__main__":
    main()
