"""Plans for the GPU are pure, fit the device, and say why; texts include nothing."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError
from harness.settings import LayerShape
from harness_fused.cuda.kernels import text
from harness_fused.cuda.plan import DeviceFacts, alternatives, plan
from harness_fused.tracing import trace

H100 = DeviceFacts(multiprocessors=132, shared_bytes=232_448, capability=(9, 0))


def shape(B, H, T=128):
    return LayerShape(batch=B, length=T, hidden=H, inputs=8)


@pytest.mark.parametrize(
    ("B", "H", "dtype", "route"),
    [
        (32, 64, "float32", "block"),
        (64, 128, "bfloat16", "grid"),
        (16, 768, "bfloat16", "grid"),
        (16, 1024, "float32", "grid"),
        (256, 2048, "float32", "steps"),
    ],
)
def test_the_route_follows_the_size(cells, B, H, dtype, route):
    found = plan(trace(cells["lstm"], 8, H), shape(B, H), dtype, H100)
    assert found.route == route
    assert found == plan(trace(cells["lstm"], 8, H), shape(B, H), dtype, H100)
    assert "predicted cycles" in found.reason
    assert "\n" not in found.reason


@settings(max_examples=40)
@given(
    name=st.sampled_from(["rnn", "gru", "gru_reset_before", "rhn", "cornn", "indrnn"]),
    B=st.integers(1, 300),
    H=st.integers(1, 1500),
    dtype=st.sampled_from(["float32", "bfloat16", "float16"]),
    multiprocessors=st.integers(1, 200),
    shared=st.integers(1_000, 232_448),
)
def test_every_alternative_fits_the_device(cells, name, B, H, dtype, multiprocessors, shared):
    device = DeviceFacts(multiprocessors=multiprocessors, shared_bytes=shared)
    found = alternatives(trace(cells[name], 8, H), shape(B, H), dtype, device)
    assert any(one.route == "steps" for one in found)
    assert [one.cycles for one in found] == sorted(one.cycles for one in found)
    for one in found:
        constants = dict(one.constants)
        for launch in one.launches:
            assert launch.shared_bytes <= shared
            assert not launch.cooperative or launch.grid <= multiprocessors
            assert launch.block == constants["THREADS"]
        if one.route != "steps":
            groups = one.train[0].grid // constants["GROUP"]
            assert constants["UNITS"] * constants["GROUP"] >= H
            assert groups * one.rows >= B > (groups - 1) * one.rows
            assert one.rows % constants["TILE"] == 0


def test_a_route_that_cannot_run_says_why(cells):
    recurrence = trace(cells["lstm"], 8, 1024)
    with pytest.raises(HarnessError, match=r"the route block cannot run H = 1024: a block needs at least \d+ bytes"):
        plan(recurrence, shape(16, 1024), "float32", H100, route="block")
    with pytest.raises(HarnessError, match="the route grid cannot run H = 8: there are no two blocks' worth of units"):
        plan(trace(cells["lstm"], 8, 8), shape(16, 8), "float32", H100, route="grid")


def test_a_route_asked_for_is_taken(cells):
    for route in ("block", "grid", "steps"):
        found = plan(trace(cells["gru"], 8, 64), shape(16, 64), "bfloat16", H100, route=route)
        assert found.route == route
        assert found.reason.startswith("asked for; ")


def test_texts_are_whole_and_know_neither_length_nor_batch(cells):
    recurrence = trace(cells["gru"], 8, 256)
    texts = {text(recurrence, plan(recurrence, shape(B, 256, T), "bfloat16", H100)) for B, T in ((9, 1), (16, 9))}
    assert len(texts) == 1
    assert not any("#include" in line for line in texts.pop().splitlines())
