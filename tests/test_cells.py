"""Every cell of the catalog keeps the contract of a cell; the classic ones are torch.nn's, weight for weight."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import harness
from harness import plugins, seeds
from harness.counting import Count, count
from harness.errors import HarnessError
from harness.layer import copy_weights
from harness.ops import NumpyOps, TorchOps
from harness.spelling import parse
from harness_torch.native import from_torch, to_torch

CATALOG = plugins.load()
SPELLINGS = [*CATALOG.cells, "lstm[forget_bias=1]"]
MODULES = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}
T, B, I, H = 6, 3, 2, 5


def cell_of(spelling):
    return CATALOG.cell(parse(spelling))


def initial_weights(cell, seed=0):
    return cell.initialise(seeds.stream(seed, "initialise", cell.about.name), I, H)


def normal(*shape):
    return seeds.stream(0, "test", *shape).standard_normal(shape)


def random_state(cell):
    return tuple(normal(B, *shape) for shape in cell.states(I, H).values())


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_step_uses_the_vocabulary_alone(spelling):
    assert count(cell_of(spelling), I, H).matmul > 0


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_step_computes_what_its_independent_examples_say(spelling):
    cell = cell_of(spelling)
    examples = list(cell.examples())
    assert examples
    for example in examples:
        y, final = harness.unroll(cell, NumpyOps(), example.weights, example.x, example.state)
        for found, wanted in zip([np.stack(y), *final], [example.y, *example.final], strict=True):
            np.testing.assert_allclose(found, wanted, rtol=0, atol=example.tolerance)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_numpy_and_torch_compute_the_same_step_in_float64(spelling):
    cell = cell_of(spelling)
    weights, x, state = initial_weights(cell), normal(T, B, I), random_state(cell)
    y, final = harness.unroll(cell, NumpyOps(), weights, x, state)
    tensors = {name: torch.tensor(weight) for name, weight in weights.items()}
    y_torch, final_torch = harness.unroll(
        cell, TorchOps(), tensors, torch.tensor(x), tuple(torch.tensor(part) for part in state)
    )
    for found, wanted in zip([*y_torch, *final_torch], [*y, *final], strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_initial_weights_have_the_shapes_of_the_parameters(spelling):
    cell = cell_of(spelling)
    for width in (1, H):
        drawn = cell.initialise(seeds.stream(0, "initialise"), I, width)
        assert {name: weight.shape for name, weight in drawn.items()} == cell.parameters(I, width)
        assert {weight.dtype for weight in drawn.values()} == {np.dtype(np.float64)}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_same_seed_gives_same_initial_weights_and_another_seed_others(spelling):
    cell = cell_of(spelling)
    first, again, other = initial_weights(cell), initial_weights(cell), initial_weights(cell, seed=1)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)


def test_forget_bias_sets_the_forget_slices_and_draws_the_rest_as_without():
    plain, biased = initial_weights(cell_of("lstm")), initial_weights(cell_of("lstm[forget_bias=1]"))
    assert (biased["bias_ih"][H : 2 * H] == 1).all()
    assert (biased["bias_hh"][H : 2 * H] == 0).all()
    rest = np.r_[0:H, 2 * H : 4 * H]
    for name in ("bias_ih", "bias_hh"):
        assert np.array_equal(plain[name][rest], biased[name][rest])
    for name in ("weight_ih", "weight_hh"):
        assert np.array_equal(plain[name], biased[name])


def as_reset_before(weights):
    """A gru's weights as gru_reset_before has them: u = 1 − z, one bias."""
    sign = np.repeat([1.0, -1.0, 1.0], H)
    return {
        "weight_ih": sign[:, None] * weights["weight_ih"],
        "weight_hh": sign[:, None] * weights["weight_hh"],
        "bias": sign * weights["bias_ih"],
    }


@pytest.mark.parametrize(("diagonal", "agree"), [(True, True), (False, False)])
def test_the_two_grus_agree_only_where_the_recurrent_product_is_diagonal(diagonal, agree):
    weights = initial_weights(cell_of("gru"))
    weights["bias_hh"][:] = 0
    if diagonal:
        weights["weight_hh"][2 * H :] *= np.eye(H)
    x, state = normal(T, B, I), (normal(B, H),)
    after, _ = harness.unroll(cell_of("gru"), NumpyOps(), weights, x, state)
    before, _ = harness.unroll(cell_of("gru_reset_before"), NumpyOps(), as_reset_before(weights), x, state)
    assert np.allclose(after, before, rtol=0, atol=1e-12) is agree
    if not agree:
        assert np.abs(np.stack(after) - before).max() > 1e-2


MOVES = [
    (cell, backend)
    for cell in MODULES
    for backend, entry in CATALOG.backends.items()
    if entry.value.why_not(cell_of(cell), "cpu", "float32") is None
]


def outputs_of_module(module, x, state):
    y, final = module(x, tuple(s[None] for s in state) if len(state) > 1 else state[0][None])
    return [y, *(part[0] for part in (final if isinstance(final, tuple) else (final,)))]


@pytest.mark.parametrize(("name", "backend"), MOVES)
@pytest.mark.parametrize("direction", ["to torch", "from torch"])
def test_weights_move_between_a_layer_and_plain_torch_by_state_dict(name, backend, direction):
    cell = cell_of(name)
    layer = CATALOG.backend(backend).build(cell, harness.LayerPlan(inputs=I, hidden=H))
    copy_weights(layer, initial_weights(cell))
    module = MODULES[name](I, H)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(0.5)
    if direction == "to torch":
        module.load_state_dict(to_torch(layer.state_dict()))
    else:
        module.load_state_dict({key: torch.tensor(normal(*w.shape)) / 2 for key, w in module.state_dict().items()})
        layer.load_state_dict(from_torch(module.state_dict()))
    x = torch.tensor(normal(T, B, I), dtype=torch.float32)
    state = tuple(torch.tensor(part, dtype=torch.float32) for part in random_state(cell))
    y, final = layer(x, state)
    for found, wanted in zip([y, *final], outputs_of_module(module, x, state), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1.3e-6, atol=1e-5)


# ---- counting ----


def test_flops_are_those_of_a_hand_count():
    products = 2 * I + 2 * H
    assert count(cell_of("rnn"), I, H) == Count(matmul=H * products, elementwise=3 * H + H)
    sums, gates, memory, output = 3 * 4 * H, 4 * H, 3 * H, 2 * H
    assert count(cell_of("lstm"), I, H) == Count(matmul=4 * H * products, elementwise=sums + gates + memory + output)
    assert count(cell_of("lstm"), I, H).total == 4 * H * products + 21 * H


@dataclass(frozen=True)
class Formula(harness.Cell):
    """h ← formula(ops, p, x, h)."""

    formula: object
    about = harness.About(name="formula", title="whatever its formula says")

    def parameters(self, I, H):
        return {"weight": (H, H), "bias": (H,)}

    def step(self, ops, p, x, state):
        return (self.formula(ops, p, x, *state),)


def adds_in_place(ops, p, x, h):
    h += p["bias"]
    return h


def assigns(ops, p, x, h):
    h[..., 0:1] = 0
    return h


def branches(ops, p, x, h):
    return h if h > 0 else -h


REFUSED = {
    "`.mean`": lambda ops, p, x, h: h - h.mean(),
    "`.shape`": lambda ops, p, x, h: h * h.shape[1],
    "ops.mean": lambda ops, p, x, h: ops.mean(h),
    "numpy.tanh": lambda ops, p, x, h: np.tanh(h),
    "numpy.mean": lambda ops, p, x, h: h - np.mean(h),
    "torch.tanh": lambda ops, p, x, h: torch.tanh(h),
    "in place": adds_in_place,
    "item assignment": assigns,
    "a branch on data": branches,
    "len of an array": lambda ops, p, x, h: h * len(h),
    "a loop over an array": lambda ops, p, x, h: sum(h),
    "the index 0": lambda ops, p, x, h: h[0],
    "a ndarray as an operand": lambda ops, p, x, h: h * np.ones(H),
    "`.T` of an array ('B', 5)": lambda ops, p, x, h: h.T,
    "a comparison outside ops.where": lambda ops, p, x, h: (h > 0) * h,
    "ops.where without a comparison": lambda ops, p, x, h: ops.where(h, h, 0),
    "shapes that broadcast": lambda ops, p, x, h: x + h,
    "a product": lambda ops, p, x, h: h @ p["bias"],
    "states of shapes": lambda ops, p, x, h: x,
    "2 equal parts": lambda ops, p, x, h: ops.concat(ops.split(h, 2)),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_the_vocabulary_has_not_is_refused_by_name(named):
    with pytest.raises(HarnessError) as refusal:
        count(Formula(REFUSED[named]), I, H)
    assert named in str(refusal.value)


def test_the_whole_vocabulary_is_accepted_and_arithmetic_on_parameters_alone_costs_nothing():
    def everything(ops, p, x, h):
        decay = ops.exp(-ops.softplus(ops.log(ops.abs(p["bias"]) + 1.0)))
        a, b = h[..., :2], h[..., 2:]
        joined = ops.concat([ops.relu(a), ops.sqrt(ops.maximum(b, 0))])
        chosen = ops.where(joined <= ops.minimum(h, 1), joined, 2**h / 3 - h**2)
        return decay * chosen @ p["weight"].T

    one_each = 2 + 3 + 3 + H * (1 + 1 + 1 + 4 + 1)
    assert count(Formula(everything), I, H) == Count(matmul=2 * H * H, elementwise=one_each)
