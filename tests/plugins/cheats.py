"""Backends that look fast because they do not do their work: a timing must not believe them; and one that only
looks like a cheat."""

import time
from dataclasses import dataclass

import harness


def loop(cell, plan):
    import torch

    from harness.layer import CellLayer
    from harness.ops import TorchOps
    from harness.unroll import unroll

    class Loop(CellLayer):
        def run(self, x, state):
            outputs, final = unroll(self.cell, TorchOps(), self.weights(), x, state)
            return torch.stack(outputs), final

    return Loop(cell, plan)


def known_by(key):
    """Keeps the outputs of forward passes by a key of their input."""

    def build(cell, plan):
        import torch

        made, known = loop(cell, plan), {}
        run = made.run

        def remember(x, state):
            if torch.is_grad_enabled():
                return run(x, state)
            if (found := key(x)) not in known:
                known[found] = run(x, state)
            return known[found]

        made.run = remember
        return made

    return build


by_place = known_by(lambda x: x.data_ptr())
by_content = known_by(lambda x: x.numpy().tobytes())


def tired(cell, plan):
    """After a hundred calls it no longer differentiates with respect to its weights."""
    made, calls = loop(cell, plan), []
    run = made.run

    def work(x, state):
        calls.append(None)
        y, final = run(x, state)
        return (y, final) if len(calls) < 100 else (y.detach() + 0 * x.sum(), final)

    made.run = work
    return made


def sloping(cell, plan):
    """What is timed computes the same numbers, with another gradient of its weights."""
    made = loop(cell, plan)

    def bare(state):
        def call(x):
            y, final = made(x, state)
            weights = sum(weight.sum() for weight in made.parameters())
            return y + (weights - weights.detach()), final

        return call

    made.bare = bare
    return made


def kept_waiting(cell, plan):
    """Does its work; on numbers it has not seen it is kept from the processor, as beside a busy neighbour."""
    made, known = loop(cell, plan), set()
    run = made.run

    def work(x, state):
        if (content := x.detach().numpy().tobytes()) not in known:
            known.add(content)
            time.sleep(0.01)
        sum(range(50_000))
        return run(x, state)

    made.run = work
    return made


@dataclass(frozen=True)
class Cheat:
    about: harness.About
    make: object
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None

    def text(self, cell):
        return ""

    def build(self, cell, plan):
        return self.make(cell, plan)


@harness.hookimpl
def harness_backends():
    made = (by_place, by_content, tired, sloping, kept_waiting)
    names = ("by_place", "by_content", "tired", "sloping", "kept_waiting")
    return [Cheat(harness.About(name=name, title="a cheat"), make) for name, make in zip(names, made, strict=True)]
