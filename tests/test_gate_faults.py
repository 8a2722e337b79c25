"""Layers that are wrong in one way each: the gate names the claim that they break."""

from dataclasses import dataclass

import pytest
import torch

import harness
from harness import plugins
from harness.conformance import examine
from harness.layer import CellLayer
from harness.ops import TorchOps

pytestmark = pytest.mark.usefixtures("one_thread")
RNN = plugins.load().cells["rnn"].value


@dataclass(frozen=True)
class Planted:
    """A backend whose layers run `forward(layer, x, state)`."""

    forward: object
    about = harness.About(name="planted", title="wrong on purpose")
    devices = ("cpu",)

    def why_not(self, cell, device, dtype):
        return None

    def text(self, cell):
        return ""

    def build(self, cell, plan):
        forward = self.forward

        class Layer(CellLayer):
            kept = None

            def run(self, x, state):
                return forward(self, x, state)

        return Layer(cell, plan)


def right(layer, x, state, weights=None):
    outputs, final = harness.unroll(layer.cell, TorchOps(), weights or layer.weights(), x, state)
    return torch.stack(outputs), tuple(part.clone() for part in final)


class Recorded(torch.autograd.Function):
    """`right` behind a Function, with a fault in its backward."""

    @staticmethod
    def forward(ctx, layer, fault, *inputs):
        with torch.enable_grad():
            inner = [value.detach().requires_grad_() for value in inputs]
            x, *rest = inner
            names = list(layer.weights())
            weights = dict(zip(names, rest[: len(names)], strict=True))
            y, final = right(layer, x, tuple(rest[len(names) :]), weights)
        ctx.layer, ctx.fault, ctx.calls = layer, fault, 0
        ctx.graph = layer.kept = (inner, (y, *final))
        return (y.detach().clone(), *(part.detach().clone() for part in final))

    @staticmethod
    def backward(ctx, *cotangents):
        inner, outputs = ctx.graph
        if ctx.fault == "saves in the layer" and ctx.layer.kept[1][0].shape == outputs[0].shape:
            inner, outputs = ctx.layer.kept
        if ctx.fault == "assumes a layout":
            cotangents = [torch.as_strided(c, c.shape, torch.empty(c.shape).stride()) for c in cotangents]
        found = torch.autograd.grad(outputs, inner, cotangents, retain_graph=True, allow_unused=True)
        ctx.calls += 1
        if ctx.fault == "once" and ctx.calls > 1:
            found = [None for _ in found]
        if ctx.fault == "needs a gradient of y" and not cotangents[0].any():
            found = [None for _ in found]
        if ctx.fault == "needs a gradient of h" and not cotangents[1].any():
            found = [None for _ in found]
        return (None, None, *found)


def recorded(fault):
    def forward(layer, x, state):
        y, *final = Recorded.apply(layer, fault, x, *layer.weights().values(), *state)
        return y, tuple(final)

    forward.__name__ = fault
    return forward


def forgets_bias_hh(layer, x, state):
    return right(layer, x, state, layer.weights() | {"bias_hh": torch.zeros_like(layer.bias_hh)})


def detaches_the_state(layer, x, state):
    return right(layer, x, tuple(part.detach() for part in state))


def is_right_to_three_digits(layer, x, state):
    y, final = right(layer, x, state)
    return y * 1.001, final


def saturates_early(layer, x, state):
    outputs, (h,) = [], state
    w = layer.weights()
    for x_t in x:
        h = torch.tanh((x_t @ w["weight_ih"].T + w["bias_ih"] + h @ w["weight_hh"].T + w["bias_hh"]).clamp(-4, 4))
        outputs.append(h)
    return torch.stack(outputs), (h.clone(),)


def leaks_state(layer, x, state):
    fits = layer.kept is not None and [p.shape for p in layer.kept] == [p.shape for p in state]
    y, final = right(layer, x, layer.kept if fits else state)
    layer.kept = tuple(part.detach() for part in final)
    return y, final


def looks_ahead(layer, x, state):
    return right(layer, x + 0.01 * torch.cat([x[1:], x[-1:]]), state)


def mixes_rows(layer, x, state):
    return right(layer, x - 0.01 * x.mean(1, keepdim=True), state)


def returns_a_view(layer, x, state):
    y, final = right(layer, x, state)
    return y, (y[-1], *final[1:])


def reuses_its_output(layer, x, state):
    y, final = right(layer, x, state)
    if layer.kept is None or layer.kept.shape != y.shape:
        layer.kept = y.detach().clone()
    with torch.no_grad():
        layer.kept.copy_(y)
    y.data = layer.kept
    return y, final


def writes_into_x(layer, x, state):
    returned = right(layer, x, state)
    x.data[0] += 1  # behind autograd's back, as a kernel would
    return returned


def misreads_strides(layer, x, state):
    return right(layer, torch.as_strided(x, x.shape, torch.empty(x.shape).stride()), state)


def differs_without_gradients(layer, x, state):
    y, final = right(layer, x, state)
    return (y if torch.is_grad_enabled() else y + 0.01), final


def restarts_long_sequences(layer, x, state):
    if len(x) <= 5:
        return right(layer, x, state)
    y, middle = right(layer, x[:5], state)
    rest, final = right(layer, x[5:], tuple(torch.zeros_like(part) for part in middle))
    return torch.cat([y, rest]), final


def returns_a_bare_state(layer, x, state):
    y, final = right(layer, x, state)
    return y, final[0]


def returns_batches_first(layer, x, state):
    y, final = right(layer, x, state)
    return y.transpose(0, 1), final


def returns_doubles(layer, x, state):
    y, final = right(layer, x, state)
    return y.double(), final


FAULTS = [
    (forgets_bias_hh, "gradient of bias_hh"),
    (detaches_the_state, "gradient of initial h"),
    (is_right_to_three_digits, "y"),
    (saturates_early, "y"),
    (leaks_state, "calls are independent"),
    (looks_ahead, "the future never changes the past"),
    (mixes_rows, "batch rows are independent"),
    (returns_a_view, "outputs alias nothing"),
    (reuses_its_output, "outputs alias nothing"),
    (writes_into_x, "nothing is overwritten"),
    (misreads_strides, "inputs may have any layout"),
    (differs_without_gradients, "gradients may be unwanted"),
    (restarts_long_sequences, "chunks equal the whole"),
    (returns_a_bare_state, "outputs have the form of the contract"),
    (returns_batches_first, "outputs have the form of the contract"),
    (returns_doubles, "outputs have the form of the contract"),
    (recorded("saves in the layer"), "calls may precede a backward"),
    (recorded("once"), "backward may run twice"),
    (recorded("needs a gradient of y"), "gradient of x"),
    (recorded("needs a gradient of h"), "gradient of x"),
    (recorded("assumes a layout"), "cotangents may have any layout"),
]


@pytest.mark.parametrize(("forward", "claim"), FAULTS, ids=lambda value: getattr(value, "__name__", None))
def test_a_planted_fault_fails_the_claim_it_breaks(forward, claim):
    report = examine(RNN, Planted(forward), "cpu", "float32")
    assert not report.passed
    assert claim in {check.name for check in report.failed}, report.reason


def test_what_the_faults_are_planted_in_passes():
    for forward in (right, recorded("none")):
        report = examine(RNN, Planted(forward), "cpu", "float32")
        assert report.passed, report.reason


def test_a_fault_in_one_respect_leaves_the_other_claims_standing():
    report = examine(RNN, Planted(returns_a_view), "cpu", "float32")
    assert [check.name for check in report.failed] == ["outputs alias nothing"]
    assert "y shares memory with final h" in report.reason
    assert "calls are independent" not in examine(RNN, Planted(mixes_rows), "cpu", "float32").reason


def test_a_parameter_the_cell_does_not_have_is_named():
    class Extra(Planted):
        def build(self, cell, plan):
            layer = super().build(cell, plan)
            layer.register_parameter("weight_extra", torch.nn.Parameter(torch.zeros(1)))
            return layer

    report = examine(RNN, Extra(right), "cpu", "float32")
    assert "the parameters are the cell's" in report.reason
    assert "weight_extra" in report.reason


def test_a_backends_own_exception_is_not_the_gates():
    def fails(layer, x, state):
        raise ZeroDivisionError("the kernel's own mistake")

    with pytest.raises(ZeroDivisionError, match="the kernel's own"):
        examine(RNN, Planted(fails), "cpu", "float32")
