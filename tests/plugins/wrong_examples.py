"""A cell whose examples disagree with its step: the gate must reject it on every backend."""

from dataclasses import dataclass

import numpy as np

import harness


@dataclass(frozen=True)
class WrongExamples(harness.Cell):
    """h ← tanh(W x + U h), while its example says h ← W x + U h."""

    about = harness.About(name="wrong_examples", title="examples that disagree")

    def parameters(self, I, H):
        return {"weight_ih": (H, I), "weight_hh": (H, H)}

    def step(self, ops, p, x, state):
        (h,) = state
        return (ops.tanh(x @ p["weight_ih"].T + h @ p["weight_hh"].T),)

    def examples(self):
        one = np.ones((1, 1))
        linear = np.full((1, 1), 2.0)
        return [
            harness.Example(
                source="a wrong memory",
                x=one[None],
                state=(one,),
                weights={"weight_ih": one, "weight_hh": one},
                y=linear[None],
                final=(linear,),
            )
        ]


@harness.hookimpl
def harness_cells():
    return [WrongExamples()]
