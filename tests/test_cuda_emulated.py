"""The CUDA kernels, played by a CPU, compute the cell's step: every route, number format and kind of cell."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from emulated import subject, worst_excess
from harness.errors import HarnessError
from harness_fused import compiler
from harness_fused.cuda.emulation import Emulation
from harness_fused.cuda.plan import DeviceFacts

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

CELLS = ("rnn", "lstm", "gru", "gru_reset_before", "peephole_lstm", "lem")
ROUTES = ("block", "grid", "steps")
DTYPES = ("float32", "bfloat16", "float16")


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def square():
    """Every cell on every route, every route in every format, every cell in every format; odd sizes by turns."""
    for n, cell in enumerate(CELLS):
        for m, route in enumerate(ROUTES):
            shape = ((4, 3, 2, 20), (3, 11, 1, 37), (2, 5, 3, 13))[(n + m) % 3]
            yield cell, route, DTYPES[(n + 2 * m) % 3], shape


@pytest.mark.parametrize(("cell", "route", "dtype", "shape"), list(square()))
def test_every_route_agrees_with_the_step(cells, cell, route, dtype, shape):
    made = subject(cells[cell], shape, dtype, route)
    assert made.plan.route == route
    assert worst_excess(made) <= 1


@pytest.mark.parametrize("cell", ["rhn", "cornn", "indrnn"])
def test_three_phases_two_operands_and_no_product_agree(cells, cell):
    assert worst_excess(subject(cells[cell], (3, 3, 2, 17), "bfloat16", None if cell == "indrnn" else "grid")) <= 1


@pytest.mark.parametrize("route", ["block", "steps"])
def test_one_of_everything(cells, route):
    assert worst_excess(subject(cells["gru_reset_before"], (1, 1, 1, 1), route=route)) <= 1


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_weights_beyond_registers_wait_in_shared_memory_and_rows_beyond_a_tile_take_turns(cells, dtype):
    few = DeviceFacts(multiprocessors=2, shared_bytes=200_000, registers=64 * 150)
    made = subject(cells["lstm"], (2, 41, 2, 40), dtype, "grid", few)
    constants = dict(made.plan.constants)
    assert made.plan.train[0].shared_bytes > 4 * made.plan.rows * constants["UNITS"] * constants["GROUP"]
    assert made.plan.rows > constants["TILE"]
    assert worst_excess(made) <= 1


def test_several_warps_and_groups_share_the_work(cells):
    made = subject(
        cells["gru"], (2, 19, 2, 24), "bfloat16", "grid", DeviceFacts(multiprocessors=9, shared_bytes=60_000), 4
    )
    assert made.plan.train[0].grid == 3 * dict(made.plan.constants)["GROUP"]
    assert worst_excess(made) <= 1


@pytest.mark.parametrize("beyond", [False, True])
def test_no_kernel_reaches_beyond_an_array(beyond):
    command = [sys.executable, str(Path(__file__).parent / "guarded.py"), *["beyond"] * beyond]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == (-signal.SIGSEGV if beyond else 0), done.stderr
    assert all(float(line.split()[-1]) <= 1 for line in done.stdout.splitlines())
    assert beyond or len(done.stdout.splitlines()) == 5


def test_absent_cotangents_are_zeros(cells):
    made = subject(cells["lstm"], (3, 3, 2, 5), route="block")
    y, *final = made.cotangents
    zeros = replace(made, cotangents=[y, *map(torch.zeros_like, final)])
    absent = replace(made, cotangents=[y, *(None for _ in final)])
    for found, wanted in zip(absent.on_gpu(), zeros.on_gpu(), strict=True):
        assert torch.equal(found, wanted)


def test_the_order_of_threads_changes_no_bit(cells):
    made = subject(cells["gru_reset_before"], (3, 5, 2, 20), route="grid")
    first, *others = (made.on_gpu(seed) for seed in (1, 100, 10_000))
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def test_the_barrier_alone_ends(cells):
    made = subject(cells["gru_reset_before"], (3, 5, 2, 20), route="grid")
    flags = torch.zeros([1, 32 * made.plan.barrier.grid], dtype=torch.int32)
    Emulation(made.text, made.plan)(made.plan.barrier, {"steps": 7, "batch": 5, "rows": made.plan.rows, "flags": flags})
    assert set(flags[flags > 0].tolist()) == {7 * 2}


def test_a_block_that_never_starts_is_waited_for_in_vain(cells):
    made = subject(cells["rnn"], (2, 3, 2, 20), route="grid")
    alone = replace(made.plan.barrier, grid=1)
    flags = torch.zeros(64, dtype=torch.int32)
    with pytest.raises(HarnessError, match="waits for ever"):
        Emulation(made.text, made.plan)(alone, {"steps": 1, "batch": 3, "rows": made.plan.rows, "flags": flags})


POLLS = "while (int(load_acquire(flags + n) - passed) < 0) polled();"
# Of each kind of barrier one: what stands before it, the barrier, which of the places, and a shape at which it matters.
BARRIERS = {
    "tiles forward": ("if (row) ", "sync_block();", 0, (2, 25, 2, 12)),
    "tiles backward": ("if (row) ", "sync_block();", 1, (2, 25, 2, 12)),
    "sums forward": ("place.slot_size(), place.partial);\n      ", "sync_block();", 0, (2, 5, 2, 12)),
    "sums backward": ("place.slot_size(), place.partial);\n    ", "sync_block();", 0, (2, 5, 2, 12)),
    "arrival": ("FN void arrive() {\n    ", "sync_block();", 0, (3, 5, 2, 12)),
    "flags": ("", POLLS, 0, (3, 5, 2, 12)),
    "behind the flags": ("polled();\n      ", "sync_block();", 0, (3, 5, 2, 12)),
    "the last products": ("weights, t);\n  ", "place.wait();", 0, (2, 5, 2, 12)),
}


@pytest.mark.parametrize("barrier", BARRIERS)
def test_a_missing_barrier_is_found(cells, barrier):
    before, line, which, shape = BARRIERS[barrier]
    made = subject(cells["lstm"], shape, route="grid", device=DeviceFacts(multiprocessors=2, shared_bytes=60_000))
    constants = dict(made.plan.constants)
    assert constants["GROUP"] == 2
    assert (made.plan.rows > constants["TILE"]) == ("tiles" in barrier)
    parts = made.text.split(before + line)
    source = (before + line).join(parts[: which + 1]) + before + ";" + (before + line).join(parts[which + 1 :])
    assert source.count(line) == made.text.count(line) - 1
    assert found(made, source)


@pytest.mark.parametrize(("right", "wrong"), [("(t & 1)", "(t & 0)"), ("  place.clear_padding();\n", "")])
def test_a_set_of_slots_too_few_and_padding_that_is_not_cleared_are_found(cells, right, wrong):
    two = DeviceFacts(multiprocessors=2, shared_bytes=60_000)
    made = subject(cells["lstm"], (3, 5, 2, 12), route="grid", device=two)
    assert right in made.text
    assert found(made, made.text.replace(right, wrong))


def found(made, source):
    """Whether an order of threads shows that the source is wrong."""
    Emulation(source, made.plan)  # it is a program

    def wrong(seed):
        try:
            return worst_excess(made, seed=seed, source=source) > 1
        except (AssertionError, HarnessError):
            return True

    return any(wrong(seed) for seed in range(0, 400, 40))


def test_a_plan_asks_for_the_shared_memory_it_uses(cells):
    made = subject(cells["lstm"], (2, 3, 2, 12), route="block")
    launch = made.plan.train[0]
    short = replace(made.plan, train=(replace(launch, shared_bytes=launch.shared_bytes - 64),))
    with pytest.raises(HarnessError, match="behind the end of shared memory"):
        replace(made, plan=short).on_gpu()
