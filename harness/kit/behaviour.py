"""What a layer must do that the gate does not ask: each function is one claim, and yields what contradicts it."""

import random
from collections.abc import Callable, Iterator

import numpy as np
import torch

from harness.backend import Backend
from harness.conformance.behaviour import COMPARED, Probe
from harness.conformance.cases import PROBE
from harness.conformance.gate import build_layer
from harness.conformance.reference import array, differentiate, tensor
from harness.conformance.tolerance import deviation
from harness.kit.trying import close, worst_element

Claim = Callable[[Probe, Backend], Iterator[str]]


def twice_in_one_graph(probe: Probe, _: Backend) -> Iterator[str]:
    """Gradients of f(x) + f(2 x) in one graph are the sum of both calls' own."""
    x, state = probe.tensors(probe.inputs)
    weights = [*probe.layer.named_parameters()]
    given = [tensor(c, probe.plan) for c in probe.inputs.passes[0] if c is not None]

    def gradients(*scales: float) -> list[np.ndarray]:
        outputs = [probe.call(scale * x, state) for scale in scales]
        summed = tuple(sum(parts) for parts in zip(*outputs, strict=True))
        return [array(g) for g in differentiate(summed, given, [w for _, w in weights])]

    apart = [gradients(1.0), gradients(2.0)]
    for (name, _), both, one, other in zip(weights, gradients(1.0, 2.0), *apart, strict=True):
        if not close(both, one + other):
            yield f"over two calls not the sum of both: {worst_element(f'gradient of {name}', both, one + other)}"


def repeatable(probe: Probe, _: Backend) -> Iterator[str]:
    """The same call has the same bits."""
    for first, second in zip(probe.outcome(), probe.outcome(), strict=True):
        if not np.array_equal(first.value, second.value, equal_nan=True):
            yield f"from call to call another {worst_element(first.name, second.value, first.value)}"


def seeds_are_untouched(probe: Probe, _: Backend) -> Iterator[str]:
    """Calling and differentiating draw no global random number; building may, as torch.nn's layers do."""
    torch.rand(1), random.random(), np.random.random()  # noqa: NPY002 — away from where a seed would put them
    before = _seeds()
    probe.outcome()
    if before != _seeds():
        yield "a call draws from a global generator"


def the_state_matters(probe: Probe, _: Backend) -> Iterator[str]:
    """Other initial states give other outputs, and get gradients; each of them does something."""
    x, state = probe.tensors(probe.inputs)
    other = probe.tensors(probe.other)[1]
    if not state:
        return
    state = tuple(part.requires_grad_() for part in state)
    outputs = probe.call(x, state)
    if torch.equal(outputs[0], probe.call(x, other)[0]):
        yield "y is the same for another initial state"
    gradients = differentiate(outputs, [torch.ones_like(part) for part in outputs], [*state])
    if not any(gradient.any() for gradient in gradients):
        yield "no gradient reaches an initial state"
    for k, name in enumerate(probe.cell.states(PROBE.I, PROBE.H)) if len(state) > 1 else ():
        changed = probe.call(x, (*state[:k], other[k], *state[k + 1 :]))
        if all(map(torch.equal, outputs, changed)):
            yield f"every output is the same for another initial {name}: the step does not use it"


def every_parameter_learns(probe: Probe, _: Backend) -> Iterator[str]:
    """Some output depends on every parameter."""
    for quantity in probe.outcome():
        if quantity.kind == "gradient of a parameter" and not quantity.value.any():
            yield f"the {quantity.name} is zero"


def state_dict_round_trip(probe: Probe, backend: Backend) -> Iterator[str]:
    """A second layer that loads the first one's state_dict computes the same bits."""
    other = build_layer(probe.cell, backend, probe.plan, probe.other)
    other.load_state_dict(probe.layer.state_dict())  # type: ignore[attr-defined]
    x, state = probe.tensors(probe.inputs)
    y, final = other(x, state)
    for name, a, b in zip(_names(probe), probe.call(x, state), (y, *final), strict=True):
        if not torch.equal(a, b):
            yield f"in a layer that loaded the state_dict another {worst_element(name, array(b), array(a))}"


def train_and_eval(probe: Probe, _: Backend) -> Iterator[str]:
    """Both modes compute the same."""
    x, state = probe.tensors(probe.inputs)
    layer: torch.nn.Module = probe.layer  # type: ignore[assignment]
    training = probe.call(x, state)
    layer.eval()
    evaluating = probe.call(x, state)
    layer.train()
    for name, a, b in zip(_names(probe), training, evaluating, strict=True):
        if not torch.equal(a, b):
            yield f"after eval() another {worst_element(name, array(b), array(a))}"


CLAIMS: dict[str, Claim] = {
    "twice in one graph": twice_in_one_graph,
    "repeatable": repeatable,
    "seeds are untouched": seeds_are_untouched,
    "the state matters": the_state_matters,
    "every parameter learns": every_parameter_learns,
    "state_dict": state_dict_round_trip,
    "train and eval": train_and_eval,
}


def furthest_apart(probe: Probe, claim: str) -> str:
    """The worst element that contradicts one of the gate's claims about numbers; empty for the others, and where a
    second try holds."""
    pairs = [*COMPARED[claim](probe)] if claim in COMPARED else []
    failing = [
        (found.figure, worst_element(q.name, value, q.value))
        for value, q in pairs
        if not (found := deviation(value, q, probe.plan.dtype)).figure <= 1
    ]
    return max(failing, key=lambda one: one[0])[1] if failing else ""


def _names(probe: Probe) -> list[str]:
    return ["y", *(f"final {name}" for name in probe.cell.states(PROBE.I, PROBE.H))]


def _seeds() -> tuple[str, ...]:
    generators = (torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state(legacy=False)))  # noqa: NPY002
    return tuple(map(str, generators))
