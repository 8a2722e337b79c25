"""Backends that misbehave on purpose: what a timing must notice."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import harness


def layer(cell, plan, act):
    import torch

    from harness.layer import CellLayer
    from harness.ops import TorchOps
    from harness.unroll import unroll

    class Toy(CellLayer):
        def run(self, x, state):
            act()
            outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
            return torch.stack(outputs), final

    return Toy(cell, plan)


def nothing():
    pass


def log():
    with Path(os.environ["TOY_LOG"]).open("a") as file:
        file.write(f"{os.getpid()} {os.getppid()} {','.join(map(str, os.sched_getaffinity(0)))}\n")


def burn():
    for k in range(200_000):
        k * k


def fail():
    raise ValueError("no gates today")


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    raise SystemExit(3)


def starve():
    raise MemoryError("too much")


def other(cell, plan):
    made = layer(cell, plan, nothing)
    made.bare = lambda state: lambda x: (made(2 * x, state)[0], state)
    return made


def faint(cell, plan):
    """Final states so small that float32 has no normal number for them."""
    made = layer(cell, plan, nothing)
    run = made.run
    made.run = lambda x, state: ((outputs := run(x, state))[0], tuple(part * 1e-40 for part in outputs[1]))
    return made


@dataclass(frozen=True)
class Toy:
    about: harness.About
    act: object
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None

    def text(self, cell):
        return ""

    def build(self, cell, plan):
        return self.act(cell, plan) if self.act in (other, faint) else layer(cell, plan, self.act)


@harness.hookimpl
def harness_backends():
    acts = (nothing, log, burn, fail, crash, leave, starve, other, faint)
    return [Toy(harness.About(name=act.__name__, title="toy"), act) for act in acts]
