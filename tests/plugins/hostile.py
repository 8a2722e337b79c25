"""Cells that misbehave inside a trial, one way an option; and one that behaves, as a control."""

import os
import signal
import sys
import time
from dataclasses import dataclass

import harness


def misbehave(how: str) -> None:
    match how:
        case "raise":
            raise ValueError("a cell's own mistake")
        case "exit_0":
            os._exit(0)
        case "exit_3":
            sys.exit(3)
        case "segfault":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "hang":
            time.sleep(600)
        case "hang_ignoring_term":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        case "memory":
            raise MemoryError("no more")
        case "print":
            print("words " * 5000)
            raise ValueError("after many words")


@dataclass(frozen=True)
class Hostile(harness.Cell):
    about = harness.About(name="hostile", title="misbehaves as its option says")
    how: str = "well"

    def parameters(self, I, H):
        misbehave(self.how)
        return {"weight_ih": (H, I), "weight_hh": (H, H)}

    def step(self, ops, p, x, state):
        (h,) = state
        return (ops.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T),)


@harness.hookimpl
def harness_cells():
    return [Hostile()]
