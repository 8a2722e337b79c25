"""The backend `numpy`: by hand, and the same numbers as the cell's step under autograd, however it is called."""

import itertools
import tracemalloc

import numpy as np
import pytest
import torch

import harness
from harness.errors import HarnessError

CELLS = ["rnn", "lstm", "gru", "gru_reset_before"]
# (T, B, H, I); the last two need several of the backend's blocks of time, forward and backward.
SHAPES = [(1, 1, 1, 1), (1, 3, 17, 2), (5, 1, 3, 2), (7, 3, 1, 1), (6, 2, 17, 3), (600, 1, 17, 2), (5, 300, 33, 2)]

each_cell = pytest.mark.parametrize("cell", CELLS)


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(20)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def _layer(cell, backend="numpy", H=5, I=2, dtype="float64"):
    return harness.build(f"{cell}@{backend}", inputs=I, hidden=H, dtype=dtype)


def _states(cell):
    return 2 if cell == "lstm" else 1


def _leaves(layer, x, state):
    return [x, *state, *layer.weights().values()]


def _results(layer, x, state, cotangents):
    """The outputs and every gradient; a cotangent may be None."""
    x, state = x.detach().requires_grad_(), tuple(part.detach().requires_grad_() for part in state)
    y, final = layer(x, state)
    pairs = [(out, given) for out, given in zip((y, *final), cotangents, strict=True) if given is not None]
    outputs, given = zip(*pairs, strict=True)
    gradients = torch.autograd.grad(outputs, _leaves(layer, x, state), given)
    return [y.detach(), *(part.detach() for part in final), *gradients]


def _agree(found, wanted):
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


@each_cell
@pytest.mark.parametrize(("T", "B", "H", "I"), SHAPES)
def test_values_and_all_gradients_are_those_of_the_step_under_autograd(cell, T, B, H, I, draw):
    x, state = draw(T, B, I), tuple(draw(B, H) for _ in range(_states(cell)))
    cotangents = [draw(T, B, H), *(draw(B, H) for _ in state)]
    ours, theirs = (_results(_layer(cell, name, H, I), x, state, cotangents) for name in ("numpy", "eager"))
    _agree(ours, theirs)


@each_cell
def test_float32_keeps_its_format_and_its_accuracy(cell, draw):
    T, B, H, I = 60, 4, 33, 3
    x, state = draw(T, B, I).float(), tuple(draw(B, H).float() for _ in range(_states(cell)))
    cotangents = [draw(T, B, H).float(), *(draw(B, H).float() for _ in state)]
    ours = _results(_layer(cell, "numpy", H, I, "float32"), x, state, cotangents)
    reference = _layer(cell, "eager", H, I)
    reference.load_state_dict(_layer(cell, "numpy", H, I, "float32").state_dict())
    exact = _results(reference, x.double(), [s.double() for s in state], [c.double() for c in cotangents])
    for found, wanted in zip(ours, exact, strict=True):
        assert found.dtype == torch.float32
        assert (found - wanted).norm() <= 2e-6 * wanted.norm()


@each_cell
def test_gradients_pass_finite_differences(cell, draw):
    layer, count = _layer(cell, H=3), len(_layer(cell).weights())
    inputs = [draw(3, 2, 2), *(draw(2, 3) for _ in range(_states(cell))), *layer.weights().values()]

    def function(x, *rest):
        states, weights = rest[:-count], rest[-count:]
        call = dict(zip(layer.weights(), weights, strict=True))
        y, final = torch.func.functional_call(layer, call, (x, tuple(states)))
        return y, *final

    assert torch.autograd.gradcheck(function, [leaf.detach().requires_grad_() for leaf in inputs])


@each_cell
@pytest.mark.parametrize("absent", ["y", "final"])
def test_an_absent_cotangent_counts_as_zero(cell, absent, draw):
    x, state = draw(4, 3, 2), tuple(draw(3, 5) for _ in range(_states(cell)))
    given = [None if absent == "y" else draw(4, 3, 5), *(None if absent == "final" else draw(3, 5) for _ in state)]
    _agree(*(_results(_layer(cell, name), x, state, given) for name in ("numpy", "eager")))


@each_cell
def test_strided_and_expanded_tensors_are_accepted_everywhere(cell, draw):
    x = draw(3, 2, 4).permute(2, 0, 1)
    state = tuple(draw(5).expand(3, 5) for _ in range(_states(cell)))
    cotangents = [draw(1).expand(4, 3, 5), *(draw(5, 3).T for _ in state)]
    _agree(*(_results(_layer(cell, name), x, state, cotangents) for name in ("numpy", "eager")))
    cotangents[0] = draw(5, 3, 4).permute(2, 1, 0)
    _agree(*(_results(_layer(cell, name), x[:, :1].expand(4, 3, 2), state, cotangents) for name in ("numpy", "eager")))


@each_cell
def test_a_layer_may_be_called_twice_before_one_backward(cell, draw):
    first, second = draw(4, 3, 2), draw(7, 3, 2)
    found = []
    for name in ("numpy", "eager"):
        layer = _layer(cell, name)
        y, carried = layer(first)
        z, _ = layer(second, carried)
        found.append(torch.autograd.grad((y * y).sum() + (z * z).sum(), list(layer.weights().values())))
    _agree(*found)


@each_cell
def test_a_second_backward_through_a_retained_graph_gives_the_same_bits(cell, draw):
    layer, x = _layer(cell), draw(6, 3, 2).requires_grad_()
    loss = layer(x)[0].square().sum()
    leaves = [x, *layer.weights().values()]
    first, second = (torch.autograd.grad(loss, leaves, retain_graph=True) for _ in range(2))
    assert all(map(torch.equal, first, second))


@each_cell
def test_only_wanted_gradients_are_given(cell, draw):
    layer, x = _layer(cell), draw(6, 3, 2).requires_grad_()
    complete = torch.autograd.grad(layer(x)[0].sum(), x)
    layer.requires_grad_(False)
    layer(x)[0].sum().backward()
    assert torch.equal(x.grad, *complete)
    assert all(weight.grad is None for weight in layer.weights().values())


@each_cell
@pytest.mark.parametrize("T", [3, 700])
def test_without_gradients_the_same_numbers_come_and_no_graph(cell, T, draw):
    layer, x = _layer(cell), draw(T, 2, 2)
    with_graph, states = layer(x)
    with torch.no_grad():
        y, final = layer(x)
    assert with_graph.grad_fn is not None
    assert y.grad_fn is None
    _agree([y, *final], [with_graph, *states])


@each_cell
def test_without_gradients_nothing_but_y_is_as_long_as_the_sequence(cell, draw):
    layer, x = _layer(cell, H=8), draw(4000, 4, 2)
    tracemalloc.start()
    with torch.no_grad():
        y, _ = layer(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.5 * y.nbytes


@each_cell
def test_what_backward_needs_is_freed_by_it(cell, draw):
    loss = _layer(cell)(draw(4, 3, 2))[0].sum()
    loss.backward()
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()


@each_cell
def test_an_output_changed_in_place_is_noticed(cell, draw):
    y, _ = _layer(cell)(draw(4, 3, 2))
    y.mul_(2)
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


@each_cell
def test_a_second_derivative_is_refused_in_words(cell, draw):
    x = draw(4, 3, 2).requires_grad_()
    loss = _layer(cell)(x)[0].sum()
    with pytest.raises(HarnessError, match=r"first derivative.*eager"):
        torch.autograd.grad(loss, x, create_graph=True)


@each_cell
@pytest.mark.parametrize("graph", [True, False])
def test_outputs_and_gradients_alias_nothing(cell, graph, draw):
    layer, x = _layer(cell), draw(4, 3, 2).requires_grad_(graph)
    state = tuple(draw(3, 5) for _ in range(_states(cell)))
    with torch.set_grad_enabled(graph):
        y, final = layer(x, state)
    tensors = [x, *state, y, *final]
    if graph:
        y.sum().backward()
        tensors += [leaf.grad for leaf in (x, *layer.weights().values())]
    arrays = [tensor.detach().numpy() for tensor in tensors]
    assert not any(np.shares_memory(one, other) for one, other in itertools.combinations(arrays, 2))


@each_cell
def test_final_states_share_nothing_with_what_backward_needs(cell, draw):
    layer, x = _layer(cell), draw(4, 3, 2).requires_grad_()
    y, final = layer(x)
    wanted = torch.autograd.grad(y.sum(), x, retain_graph=True)
    for part in final:
        part.data.zero_()
    _agree(torch.autograd.grad(y.sum(), x), wanted)


def test_another_number_format_is_refused_in_words(draw):
    with pytest.raises(HarnessError, match=r"float64.*found torch.float32"):
        _layer("lstm")(draw(4, 3, 2).float())


def test_an_overflow_is_an_infinity_and_no_warning(draw):
    layer, x = _layer("rnn"), draw(4, 3, 2).requires_grad_()
    y, _ = layer(x)
    y.backward(torch.full_like(y, 1e308))
    assert not x.grad.isfinite().all() or not layer.weight_hh.grad.isfinite().all()


def test_the_backend_says_why_not(catalog, mgu_file):
    backend, lstm = catalog.backend("numpy"), catalog.cells["lstm"].value
    assert backend.why_not(lstm, "cpu", "float32") is None
    assert "cuda" in backend.why_not(lstm, "cuda", "float32")
    assert "bfloat16" in backend.why_not(lstm, "cpu", "bfloat16")
    mgu = harness.plugins.load([mgu_file]).cells["mgu"].value
    assert "mgu" in backend.why_not(mgu, "cpu", "float32")
