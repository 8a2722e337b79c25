"""What a layer must do beside computing the right numbers: each function is one claim."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from harness.backend import Layer, LayerPlan
from harness.cell import Cell
from harness.conformance.cases import PROBE, Array, Inputs, draw
from harness.conformance.reference import (
    Forward,
    Outcome,
    Quantity,
    array,
    differentiate,
    run,
    tensor,
    well_formed,
)
from harness.conformance.report import Check
from harness.conformance.tolerance import deviation
from harness.layer import State

CUT = 4
SLACK = 2.0
"""Two runs of the same layer are compared, and both may be wrong."""

Pair = tuple[Array, Quantity]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """A layer with its cell's initial weights, and two draws of everything it can be given."""

    cell: Cell
    layer: Layer
    plan: LayerPlan
    inputs: Inputs
    other: Inputs

    def outcome(self, inputs: Inputs | None = None, forward: Forward | None = None) -> Outcome:
        """Outputs and gradients of one call (or of what `forward` makes of it)."""
        parameters = dict(self.layer.named_parameters())
        return run(self.cell, forward or self.layer, parameters, inputs or self.inputs, self.plan)

    def tensors(self, inputs: Inputs) -> tuple[Tensor, State]:
        """x and the initial state."""
        return tensor(inputs.x, self.plan), tuple(tensor(part, self.plan) for part in inputs.state or ())

    def call(self, x: Tensor, state: State | None = None) -> tuple[Tensor, ...]:
        """y and the final states in one tuple."""
        y, final = well_formed(self.cell, self.plan, x, self.layer(x, state))
        return y, *final


def build_probe(cell: Cell, layer: Layer, plan: LayerPlan, inputs: Inputs) -> Probe:
    """A probe of a layer that has its weights already, on the inputs of PROBE."""
    return Probe(cell=cell, layer=layer, plan=plan, inputs=inputs, other=draw(cell, PROBE, plan.dtype, "another"))


def check_behaviour(probe: Probe) -> Iterator[Check]:
    """Every claim, checked."""
    for claim, compare in COMPARED.items():
        findings = [(q.name, deviation(a, q, probe.plan.dtype, slack=SLACK)) for a, q in compare(probe)]
        name, worst = max(findings, key=lambda finding: finding[1].figure)
        detail = f"{name}: {worst.words} at {PROBE}"
        yield Check(name=claim, passed=worst.figure <= 1, figure=worst.figure, where=str(PROBE), detail=detail)
    for claim, violations in EXACT.items():
        found = list(dict.fromkeys(violations(probe)))
        yield Check(name=claim, passed=not found, where=str(PROBE), detail=", ".join(found))


def chunks_equal_the_whole(probe: Probe) -> Iterator[Pair]:
    """Two calls that hand the state on compute what one call does, gradients included."""

    def chunked(x: Tensor, state: State | None) -> tuple[Tensor, State]:
        first, middle = probe.layer(x[:CUT], state)
        second, final = probe.layer(x[CUT:], middle)
        return torch.cat([first, second]), final

    return _matched(probe.outcome(forward=chunked), probe.outcome())


def rows_are_independent(probe: Probe) -> Iterator[Pair]:
    """A row of the batch computes the same in another place, and without its neighbours."""
    rows = [2, 0]
    for found, whole in _matched(probe.outcome(_rows(probe.inputs, rows)), probe.outcome()):
        if whole.kind in ("y", "gradient of x"):
            yield found, replace(whole, value=whole.value[:, rows])
        elif whole.kind != "gradient of a parameter":
            yield found, replace(whole, value=whole.value[rows])


def future_leaves_the_past_alone(probe: Probe) -> Iterator[Pair]:
    """Another x from a step on changes no y before it."""
    x = np.concatenate([probe.inputs.x[:CUT], probe.other.x[CUT:]])
    found, wanted = probe.outcome(replace(probe.inputs, x=x))[0], probe.outcome()[0]
    yield found.value[:CUT], replace(wanted, value=wanted.value[:CUT])


def calls_are_independent(probe: Probe) -> Iterator[Pair]:
    """A call without a state computes the same whatever was called before."""
    without = replace(probe.inputs, state=None)
    first = probe.outcome(without)
    probe.outcome(replace(probe.other, passes=probe.inputs.passes))
    return _matched(probe.outcome(without), first)


def calls_may_precede_a_backward(probe: Probe) -> Iterator[Pair]:
    """A second call between forward and backward changes no gradient of the first."""

    def twice(x: Tensor, state: State | None) -> tuple[Tensor, State]:
        returned = probe.layer(x, state)
        probe.layer(*probe.tensors(probe.other))
        return returned

    return _matched(probe.outcome(forward=twice), probe.outcome())


def backward_may_run_twice(probe: Probe) -> Iterator[Pair]:
    """A second backward through the same graph gives what the first gave."""
    outcome = probe.outcome(replace(probe.inputs, passes=2 * probe.inputs.passes))
    gradients = [quantity for quantity in outcome if quantity.kind.startswith("gradient")]
    half = len(gradients) // 2
    return _matched(tuple(gradients[half:]), tuple(gradients[:half]))


def inputs_may_have_any_layout(probe: Probe) -> Iterator[Pair]:
    """Strided and expanded x and states compute what contiguous ones do."""

    def strided(x: Tensor, state: State | None) -> tuple[Tensor, State]:
        return probe.layer(_strided(x), tuple(_strided(part) for part in state or ()))

    def expanded(x: Tensor, state: State | None) -> tuple[Tensor, State]:
        return probe.layer(x[:1].expand_as(x), tuple(part[:1].expand_as(part) for part in state or ()))

    yield from _matched(probe.outcome(forward=strided), probe.outcome())
    same = tuple(part[:1].repeat(PROBE.B, 0) for part in probe.inputs.state or ())
    constant = replace(probe.inputs, x=probe.inputs.x[:1].repeat(PROBE.T, 0), state=same)
    for found, wanted in _matched(probe.outcome(constant, expanded), probe.outcome(constant)):
        # The one row that was expanded gets the gradients of all; only what has the same meaning is compared.
        if wanted.kind not in ("gradient of x", "gradient of a state"):
            yield found, wanted


def cotangents_may_have_any_layout(probe: Probe) -> Iterator[Pair]:
    """Strided and expanded incoming gradients give what contiguous ones do."""
    x, state = probe.tensors(probe.inputs)
    leaves = {"x": x.requires_grad_(), **dict(probe.layer.named_parameters())}
    outputs = probe.call(x, state)
    given = [tensor(c, probe.plan) for c in probe.inputs.passes[0] if c is not None]
    ones = [torch.ones_like(output) for output in outputs]
    single = [one.flatten()[:1].reshape(()).expand_as(one) for one in ones]
    for odd, plain in (([_strided(c) for c in given], given), (single, ones)):
        gradients = (differentiate(outputs, c, [*leaves.values()]) for c in (odd, plain))
        for name, a, b in zip(leaves, *gradients, strict=True):
            yield array(a), Quantity(f"gradient of {name}", "gradient of a parameter", array(b))


def gradients_may_be_unwanted(probe: Probe) -> Iterator[Pair]:
    """Constant x and states leave the parameters' gradients as they are, and `no_grad` the outputs."""

    def constant(x: Tensor, state: State | None) -> tuple[Tensor, State]:
        return probe.layer(x.detach(), tuple(part.detach() for part in state or ()))

    whole = probe.outcome()
    for found, wanted in _matched(probe.outcome(forward=constant), whole):
        if wanted.kind not in ("gradient of x", "gradient of a state"):
            yield found, wanted
    with torch.no_grad():
        outputs = probe.call(*probe.tensors(probe.inputs))
    for output, wanted in zip(outputs, whole, strict=False):
        yield array(output), wanted


def nothing_is_overwritten(probe: Probe) -> Iterator[str]:
    """Forward and backward change neither what they were given nor the weights."""
    x, state = probe.tensors(probe.inputs)
    given = [tensor(c, probe.plan) for c in probe.inputs.passes[0] if c is not None]
    names = [*probe.cell.states(PROBE.I, PROBE.H)]
    kept = {"x": x, **{f"initial {name}": part for name, part in zip(names, state, strict=True)}}
    kept |= {f"cotangent {k}": c for k, c in enumerate(given)} | dict(probe.layer.named_parameters())
    before = {name: value.detach().clone() for name, value in kept.items()}
    leaves = [*(value.requires_grad_() for value in (x, *state)), *dict(probe.layer.named_parameters()).values()]
    differentiate(probe.call(x, state), given, leaves)
    yield from (f"{name} is overwritten" for name, value in kept.items() if not torch.equal(value, before[name]))


def outputs_alias_nothing(probe: Probe) -> Iterator[str]:
    """Writing into one output, or calling again, changes nothing else."""
    names = ["y", *(f"final {name}" for name in probe.cell.states(PROBE.I, PROBE.H))]
    for recording in (True, False):
        with torch.set_grad_enabled(recording):
            x, state = probe.tensors(probe.inputs)
            outputs = dict(zip(names, (o.detach() for o in probe.call(x, state)), strict=True))
            all_others = {"x": x, **{f"initial state {k}": s for k, s in enumerate(state)}, **outputs}
            all_others |= {name: weight.detach() for name, weight in probe.layer.named_parameters()}
            before = {name: value.clone() for name, value in all_others.items()}
            probe.call(*probe.tensors(probe.other))
            yield from (f"a later call changes {n}" for n in names if not torch.equal(outputs[n], before[n]))
            for name in names:
                outputs[name].fill_(7)
                touched = [n for n in all_others if n != name and not torch.equal(all_others[n], before[n])]
                yield from (f"{name} shares memory with {n}" for n in touched)
                for n, value in before.items():
                    all_others[n].copy_(value)


COMPARED: dict[str, Callable[[Probe], Iterator[Pair]]] = {
    "chunks equal the whole": chunks_equal_the_whole,
    "batch rows are independent": rows_are_independent,
    "the future never changes the past": future_leaves_the_past_alone,
    "calls are independent": calls_are_independent,
    "calls may precede a backward": calls_may_precede_a_backward,
    "backward may run twice": backward_may_run_twice,
    "inputs may have any layout": inputs_may_have_any_layout,
    "cotangents may have any layout": cotangents_may_have_any_layout,
    "gradients may be unwanted": gradients_may_be_unwanted,
}

EXACT: dict[str, Callable[[Probe], Iterator[str]]] = {
    "nothing is overwritten": nothing_is_overwritten,
    "outputs alias nothing": outputs_alias_nothing,
}


def _matched(found: Outcome, wanted: Outcome) -> Iterator[Pair]:
    return ((a.value, b) for a, b in zip(found, wanted, strict=True))


def _rows(inputs: Inputs, rows: list[int]) -> Inputs:
    """Some rows of the batch."""
    state = tuple(part[rows] for part in inputs.state or ())
    passes = tuple(
        tuple(None if c is None else (c[:, rows] if k == 0 else c[rows]) for k, c in enumerate(cotangents))
        for cotangents in inputs.passes
    )
    return replace(inputs, x=inputs.x[:, rows], state=state, passes=passes)


def _strided(value: Tensor) -> Tensor:
    """The same numbers with a gap behind every one."""
    return torch.stack([value, value], dim=-1)[..., 0]
