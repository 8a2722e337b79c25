"""Layers with one fault each in their manners: what they do to memory, seeds and forms, and from call to call."""

import random

import numpy as np
import torch

from mutants.layers import loop, mutant


@mutant()
def input_overwritten(layer, x, state):
    returned = loop(layer, x, state)
    with torch.no_grad():
        x.mul_(1.0001)
    return returned


@mutant()
def weights_overwritten(layer, x, state):
    returned = loop(
        layer, x.clone(), tuple(part.clone() for part in state), {n: w.clone() for n, w in layer.weights().items()}
    )
    with torch.no_grad():
        next(iter(layer.parameters())).mul_(1.001)
    return returned


@mutant()
def output_buffer_shared(layer, x, state):
    y, final = loop(layer, x, state)
    if torch.is_grad_enabled():
        return y, final
    if not hasattr(layer, "kept") or layer.kept.shape != y.shape:
        layer.kept = torch.empty_like(y)
    return layer.kept.copy_(y), final


@mutant()
def final_state_is_a_view_of_y(layer, x, state):
    y, final = loop(layer, x, state)
    return y, (y[-1], *final[1:])


@mutant()
def state_kept_between_calls(layer, x, state):
    if (
        all(not part.any() for part in state)
        and getattr(layer, "last", None) is not None
        and layer.last.shape == state[0].shape
    ):
        state = (layer.last.to(state[0]), *state[1:])
    y, final = loop(layer, x, state)
    layer.last = final[0].detach()
    return y, final


@mutant()
def assumes_contiguous_input(layer, x, state):
    return loop(
        layer,
        torch.as_strided(x, x.shape, torch.empty(x.shape).stride(), x.storage_offset()) if x.numel() else x,
        state,
    )


@mutant()
def noisy(layer, x, state):
    y, final = loop(layer, x, state)
    return y + 1e-7 * torch.randn_like(y), final


@mutant()
def reseeds(layer, x, state):
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    return loop(layer, x, state)


@mutant()
def drops_out_in_training(layer, x, state):
    y, final = loop(layer, x, state)
    return (y if layer.training else y * (1 + 1e-4)), final


@mutant()
def wrong_shape(layer, x, state):
    y, final = loop(layer, x, state)
    return y.transpose(0, 1), final


@mutant()
def wrong_dtype(layer, x, state):
    y, final = loop(layer, x, state)
    return y.double(), final


@mutant()
def states_as_a_list(layer, x, state):
    y, final = loop(layer, x, state)
    return y, list(final)


@mutant()
def raises_for_one_unit(layer, x, state):
    if state[0].shape[-1] == 1:
        raise ValueError("H = 1 is not implemented")
    return loop(layer, x, state)
