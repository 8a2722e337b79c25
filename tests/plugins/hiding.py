"""Backends that hide memory from the allocator's count, each in its own way; `open` takes the same amount openly."""

import ctypes
import mmap
import os
import tempfile
import threading
from dataclasses import dataclass

import harness

HIDDEN = 64 * 2**20
FOREVER = []


def touch(address):
    """Writes to every page: memory that nobody touches costs nothing."""
    ctypes.memset(address, 1, HIDDEN)


def open():
    import torch

    torch.ones(HIDDEN, dtype=torch.uint8)


def pointer():
    """malloc by its address: no table of imports is passed on the way."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    address = libc.malloc(ctypes.c_size_t(HIDDEN))
    touch(address)
    libc.free(address)


def syscall():
    """mmap and munmap as the kernel knows them on x86-64."""
    call = ctypes.CDLL(None).syscall
    call.restype = ctypes.c_long
    address = call(9, None, ctypes.c_size_t(HIDDEN), 3, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, ctypes.c_long(0))
    touch(address)
    call(11, ctypes.c_long(address), ctypes.c_size_t(HIDDEN))


def file():
    with tempfile.TemporaryFile() as backing:
        os.ftruncate(backing.fileno(), HIDDEN)
        with mmap.mmap(backing.fileno(), HIDDEN) as mapped:
            mapped[:] = bytes([1]) * HIDDEN


def thread():
    import torch

    other = threading.Thread(target=lambda: torch.ones(HIDDEN, dtype=torch.uint8))
    other.start()
    other.join()


def cache():
    """Taken at the first call and kept for ever."""
    import torch

    if not FOREVER:
        FOREVER.append(torch.ones(HIDDEN, dtype=torch.uint8))


def pool():
    """The same by malloc's address."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    if not FOREVER:
        FOREVER.append(libc.malloc(ctypes.c_size_t(HIDDEN)))
        touch(FOREVER[0])


@dataclass(frozen=True)
class Hiding:
    about: harness.About
    act: object
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None

    def text(self, cell):
        return self.act.__doc__ or ""

    def build(self, cell, plan):
        """The act happens at T ≥ 8 only, so that a smaller step before does not reveal it."""
        import torch

        from harness.layer import CellLayer
        from harness.ops import TorchOps
        from harness.unroll import unroll

        act = self.act

        class Layer(CellLayer):
            def run(self, x, state):
                if len(x) >= 8:
                    act()
                outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
                return torch.stack(outputs), final

        return Layer(cell, plan)


@harness.hookimpl
def harness_backends():
    acts = (open, pointer, syscall, file, thread, cache, pool)
    return [Hiding(harness.About(name=act.__name__, title="hides memory"), act) for act in acts]
