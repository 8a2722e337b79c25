"""Fused layers compute the cell's step on any shape, the same bits in any company, and nothing outside their arrays."""

import copy
import itertools

import numpy as np
import pytest
import torch
import torch.utils.checkpoint

from harness import plugins
from harness.backend import LayerPlan
from harness.errors import HarnessError
from harness_fused import FusedBackend, compiler

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

CATALOG = plugins.load()
CELLS = ("rnn", "lstm", "gru", "gru_reset_before")
HIDDEN = (1, 3, 7, 16, 17, 33, 64, 100, 128, 193, 256)
BATCH = (1, 3, 8, 17, 64)
LENGTH = (1, 2, 7, 63)


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(cell, I, H, dtype="float32", backend=None):
    layer = (backend or FusedBackend()).build(CATALOG.cells[cell].value, LayerPlan(inputs=I, hidden=H, dtype=dtype))
    generator = torch.Generator().manual_seed(H)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.uniform_(-(H**-0.5), H**-0.5, generator=generator)
    return layer


def draw(layer, T, B, dtype=torch.float32):
    generator = torch.Generator().manual_seed(T * 1000 + B)
    states = layer.cell.states(layer.plan.inputs, layer.plan.hidden).values()
    x = torch.randn(T, B, layer.plan.inputs, generator=generator, dtype=dtype)
    return x, tuple(torch.randn(B, *size, generator=generator, dtype=dtype) for size in states)


def outcome(layer, x, state):
    """y, the final states and every gradient."""
    leaves = [part.detach().requires_grad_() for part in (x, *state)]
    y, final = layer(leaves[0], tuple(leaves[1:]))
    outputs = [y, *final]
    cotangents = [torch.cos(torch.arange(output.numel(), dtype=x.dtype)).view_as(output) for output in outputs]
    return [*outputs, *torch.autograd.grad(outputs, [*leaves, *layer.parameters()], cotangents)]


def shapes():
    """Every H, B and T, each several times in other company; I narrow and wide by turns."""
    for n, (H, B) in enumerate(itertools.product(HIDDEN, BATCH)):
        T = LENGTH[n % 4] if H * B < 4000 else LENGTH[n % 3]
        yield T, B, (1, 2, 5, 33, 40)[(n // 2) % 5], H


@pytest.mark.parametrize("cell", CELLS)
def test_every_shape_agrees_with_the_eager_step(cell):
    eager = CATALOG.backend("eager")
    for T, B, I, H in shapes():
        fused, plain = (build(cell, I, H, "float64", backend) for backend in (None, eager))
        given = draw(fused, T, B, torch.float64)
        for found, wanted in zip(outcome(fused, *given), outcome(plain, *given), strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-11, msg=lambda m: f"{T, B, I, H}: {m}")  # noqa: B023


@pytest.mark.parametrize("cell", CELLS)
def test_every_shape_is_as_close_in_float32_as_the_gate_asks(cell):
    eager = CATALOG.backend("eager")
    for T, B, I, H in shapes():
        fused, plain, exact = (
            build(cell, I, H),
            build(cell, I, H, "float32", eager),
            build(cell, I, H, "float64", eager),
        )
        exact.load_state_dict(fused.state_dict())
        x, state = draw(fused, T, B)
        count = 2 + 2 * len(state)  # y, states, gradients of x and states; then those of weights
        sides = [
            outcome(fused, x, state),
            outcome(plain, x, state),
            outcome(exact, x.double(), tuple(s.double() for s in state)),
        ]
        for n, (found, own, wanted) in enumerate(zip(*sides, strict=True)):
            error, allowed = (found - wanted).abs(), 1e-5 + 1.3e-6 * wanted.abs()
            if n < count:
                assert (error <= torch.maximum(allowed, 4 * (own - wanted).abs().max())).all(), (T, B, I, H, n)
            else:
                assert error.norm() <= 5e-6 * wanted.norm(), (T, B, I, H, n)


@pytest.mark.parametrize("cell", CELLS)
def test_derivatives_are_those_of_finite_differences(cell):
    layer = build(cell, 2, 5, "float64")
    x, state = draw(layer, 3, 2, torch.float64)

    def call(x, *rest):
        names = [name for name, _ in layer.named_parameters()]
        weights = dict(zip(names, rest[len(state) :], strict=True))
        y, final = torch.func.functional_call(layer, weights, (x, rest[: len(state)]))
        return y, *final

    leaves = [leaf.detach().requires_grad_() for leaf in (x, *state, *layer.parameters())]
    assert torch.autograd.gradcheck(call, leaves)


@pytest.mark.parametrize(("T", "B", "I", "H"), [(40, 1, 2, 128), (30, 17, 40, 100), (12, 64, 3, 65)])
@pytest.mark.parametrize("cell", ["lstm", "gru_reset_before"])
def test_bits_are_the_same_again_and_on_two_threads(cell, T, B, I, H):
    layer = build(cell, I, H)
    given = draw(layer, T, B)
    first, again = outcome(layer, *given), outcome(layer, *given)
    torch.set_num_threads(2)
    shared = outcome(layer, *given)
    states = len(given[1])
    biases = [2 + 2 * states + n for n, (name, _) in enumerate(layer.named_parameters()) if name.startswith("bias")]
    for n, (one, two, three) in enumerate(zip(first, again, shared, strict=True)):
        assert torch.equal(one, two)
        # Biases' gradients are added up thread by thread, all else in one order whoever adds it.
        assert torch.allclose(one, three, rtol=1e-5, atol=1e-5) if n in biases else torch.equal(one, three)


def test_a_row_of_the_batch_has_the_same_bits_in_any_company():
    layer = build("gru", 3, 33)
    x, state = draw(layer, 9, 17)
    whole, part = (outcome(layer, x[:, rows], tuple(s[rows] for s in state)) for rows in (slice(None), slice(4, 9)))
    assert torch.equal(whole[0][:, 4:9], part[0])
    with torch.no_grad():
        assert torch.equal(layer(x, state)[0], whole[0])


@pytest.mark.parametrize("B", [1, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_nan_around_every_array_never_leaks_in(cell, B):
    layer = build(cell, 5, 17)
    x, state = draw(layer, 4, B)
    wanted = outcome(layer, x, state)
    for weight in layer.parameters():
        weight.data = among_nan(weight.data)
    found = outcome(layer, among_nan(x), tuple(among_nan(part) for part in state))
    for a, b in zip(found, wanted, strict=True):
        assert torch.equal(a, b)


def among_nan(tensor):
    """The same numbers, contiguous, between NaN on both sides."""
    room = torch.full((tensor.numel() + 128,), np.nan, dtype=tensor.dtype)
    place = room[64:-64].view(tensor.shape)
    place.copy_(tensor)
    return place


def test_infinite_and_nan_inputs_reach_their_own_row_alone():
    layer = build("lstm", 3, 19)
    x, state = draw(layer, 6, 8)
    clean = layer(x, state)[0]
    x[2, 3], x[2, 5] = np.nan, np.inf
    y = layer(x, state)[0]
    others = [row for row in range(8) if row not in (3, 5)]
    assert torch.equal(y[:, others], clean[:, others])
    assert y[2:, 3].isnan().all()


def test_a_second_derivative_is_refused_in_words():
    layer = build("rnn", 2, 3)
    x, state = draw(layer, 2, 2)
    y, _ = layer(x.requires_grad_(), state)
    with pytest.raises(Exception, match="eager"):
        torch.autograd.grad(y.sum(), x, create_graph=True)


def test_y_may_be_overwritten_and_then_backward_objects():
    layer = build("rnn", 2, 3)
    y, _ = layer(*draw(layer, 2, 2))
    with pytest.raises(RuntimeError, match="inplace"):
        y.mul_(2).sum().backward()


@pytest.mark.parametrize("cast", ["double", "half"])
def test_a_layer_that_was_cast_is_refused_in_words(cast):
    layer = build("rnn", 2, 3)
    x, state = draw(layer, 2, 2)
    getattr(layer, cast)()
    with pytest.raises(
        HarnessError, match=r"torch.float32 on cpu, as the layer was built, found torch\.(float64|float16)"
    ):
        layer(getattr(x, cast)(), tuple(getattr(part, cast)() for part in state))


@pytest.mark.parametrize("recompute", [None, 2])
def test_hooks_that_take_saved_tensors_elsewhere_change_no_gradient(recompute):
    layer = build("lstm", 2, 5, backend=FusedBackend(recompute=recompute))
    given = draw(layer, 5, 3)
    wanted = outcome(layer, *given)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.detach().tolist(), torch.tensor):
        found = outcome(layer, *given)
    assert all(map(torch.equal, found, wanted))


def test_a_checkpoint_that_runs_the_layer_again_changes_no_gradient():
    layer = build("gru", 2, 5)
    x, state = draw(layer, 5, 3)

    def gradients(y):
        return torch.autograd.grad(y.square().sum(), [*layer.parameters()])

    again = torch.utils.checkpoint.checkpoint(lambda x: layer(x, state)[0], x, use_reentrant=False)
    assert all(map(torch.equal, gradients(again), gradients(layer(x, state)[0])))


def test_an_empty_batch_has_empty_states_and_gradients_of_zero():
    layer = build("gru_reset_before", 2, 5)
    y, final, d_x, _, *gradients = outcome(layer, *draw(layer, 3, 0))
    assert (y.shape, final.shape, d_x.shape) == ((3, 0, 5), (0, 5), (3, 0, 2))
    assert not any(gradient.any() for gradient in gradients)


def test_more_steps_between_stored_states_than_there_are_cost_nothing():
    layer = build("lstm", 2, 5, backend=FusedBackend(recompute=10**12))
    outcome(layer, *draw(layer, 3, 2))


def test_a_layer_can_be_copied():
    layer = build("gru", 2, 5)
    x, state = draw(layer, 3, 2)
    assert torch.equal(copy.deepcopy(layer)(x, state)[0], layer(x, state)[0])


@pytest.mark.parametrize(("T", "B", "I", "H"), [(13, 3, 2, 17), (9, 1, 40, 33), (3, 2, 3, 5)])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_run_again_give_the_same_bits(cell, T, B, I, H):
    whole, again = (build(cell, I, H, backend=FusedBackend(recompute=k)) for k in (None, 4))
    given = draw(whole, T, B)
    for n, (found, wanted) in enumerate(zip(outcome(again, *given), outcome(whole, *given), strict=True)):
        # Gradients of weights are summed segment by segment.
        close = n >= 2 + 2 * len(given[1])
        assert torch.allclose(found, wanted, rtol=1e-5, atol=1e-6) if close else torch.equal(found, wanted)
