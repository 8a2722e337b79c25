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


NAMES = st.sampled_from(["rnn", "gru", "gru_reset_before", "rhn", "cornn", "indrnn"])
FORMATS = st.sampled_from(["float32", "bfloat16", "float16"])
DEVICES = st.builds(DeviceFacts, multiprocessors=st.integers(1, 200), shared_bytes=st.integers(1_000, 232_448))


@settings(max_examples=40)
@given(NAMES, st.integers(1, 300), st.integers(1, 1500), FORMATS, DEVICES)
def test_every_alternative_fits_the_device(cells, name, B, H, dtype, device):
    found = alternatives(trace(cells[name], 8, H), shape(B, H), dtype, device)
    assert any(one.route == "steps" for one in found)
    assert [one.cycles for one in found] == sorted(one.cycles for one in found)
    for one in found:
        constants = dict(one.constants)
        for launch in one.launches:
            assert launch.shared_bytes <= device.shared_bytes
            assert not launch.cooperative or launch.grid <= device.multiprocessors
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
    with pytest.raises(HarnessError, match="the route grid cannot run H = 8: too few units for two blocks"):
        plan(trace(cells["lstm"], 8, 8), shape(16, 8), "float32", H100, route="grid")


def test_tensor_cores_too_old_leave_the_products_to_torch(cells):
    old = DeviceFacts(multiprocessors=40, shared_bytes=65_536, capability=(7, 5))
    assert {one.route for one in alternatives(trace(cells["gru"], 8, 64), shape(16, 64), "bfloat16", old)} == {"steps"}
    assert len(alternatives(trace(cells["gru"], 8, 64), shape(16, 64), "float32", old)) > 1


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
