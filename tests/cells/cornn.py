"""Coupled oscillators."""

from dataclasses import dataclass

import harness


@dataclass(frozen=True)
class CoRNN(harness.Cell):
    """z ← z + Δt (tanh(W_y y + W_z z + V x + b) − γ y − ε z), y ← y + Δt z

    Positions y, which are the output, and velocities z; y moves with the *new* velocity. γ and ε are the stiffness and
    damping, the same for all units.
    """

    about = harness.About(name="cornn", title="Coupled oscillatory RNN", paper="Rusch & Mishra 2021, arXiv:2010.00951")
    dt: float = 0.1
    gamma: float = 1.5
    epsilon: float = 0.5

    def states(self, I, H):
        return {"y": (H,), "z": (H,)}

    def parameters(self, I, H):
        return {"weight_x": (H, I), "weight_y": (H, H), "weight_z": (H, H), "bias": (H,)}

    def step(self, ops, p, x, state):
        y, z = state
        force = ops.tanh(x @ p["weight_x"].T + y @ p["weight_y"].T + z @ p["weight_z"].T + p["bias"])
        z = z + self.dt * (force - self.gamma * y - self.epsilon * z)
        y = y + self.dt * z
        return y, z


@harness.hookimpl
def harness_cells():
    return [CoRNN()]
