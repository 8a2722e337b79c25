"""What starts kernels on a GPU, as far as it goes without one: the real cuda.core over a driver that starts nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness_fused import compiler

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the driver's library has another name"),
    pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler"),
]

PROGRAM = """
import sys, threading
from types import SimpleNamespace
import torch

class Current:
    def __init__(self, index):
        self.index = index
    def __enter__(self):
        print("device", self.index, file=sys.stderr)
    def __exit__(self, *_):
        print("device as before", file=sys.stderr)

torch.cuda.init = lambda: None
torch.cuda.device = Current
torch.cuda.current_stream = lambda index: SimpleNamespace(cuda_stream=4096)

from harness.settings import LayerShape
from harness_cells import LSTM, RNN
from harness_fused.cuda import nvrtc
from harness_fused.cuda.kernels import text
from harness_fused.cuda.machine import Gpu
from harness_fused.cuda.plan import plan
from harness_fused.tracing import trace

nvrtc.binary = lambda text, architecture: SimpleNamespace(code=b"\\x7fELF" + text.encode())
gpu = Gpu(1)
print(gpu.facts, gpu.architecture)
for cell, H, route, batches in ((LSTM(), 1024, "grid", (64, 16, 64)), (RNN(), 64, "block", (7,))):
    for batch in batches:
        recurrence = trace(cell, 3, H)
        shape = LayerShape(batch=batch, length=9, hidden=H, inputs=3)
        found = plan(recurrence, shape, "float32", gpu.facts, route=route)
        launcher = gpu.launcher(text(recurrence, found), found)
        (train,), (backward,) = found.train, found.backward
        weights = torch.zeros(4)
        print(train.grid, train.block, train.shared_bytes, int(train.cooperative), weights.data_ptr())
        launcher(train, {"steps": 9, "batch": 2**33, "weights": weights, "y": None})
        beside = threading.Thread(target=launcher, args=(backward, {"steps": 9}))  # as autograd does
        beside.start()
        beside.join()
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the program prints and what the driver hears, by line."""
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libcuda.so.1"
    build = ["gcc", "-shared", "-fPIC", "-w", "-o", str(library), str(HERE / "kernels" / "driver.c")]
    subprocess.run(build, check=True)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_a_gpu_s_figures_are_read(told):
    facts = "DeviceFacts(multiprocessors=132, shared_bytes=232448, registers=65536, capability=(9, 0)) sm_90"
    assert told[0][0] == facts


def test_whatever_device_was_current_stays_so(told):
    assert told[1][:3] == ["device 1", "set current", "device as before"]
    assert "set current" not in told[1][3:]


def test_kernels_start_as_planned_with_eight_bytes_an_argument(told):
    planned = [line.split() for line in told[0][1:]]
    heard = [line.split() for line in told[1] if line.startswith("forward_train")]
    assert len(heard) == 4
    for (*form, address), (_, *found) in zip(planned, heard, strict=True):
        assert found[:4] == form
        assert found[4] == "0x1000"  # torch's current stream
        steps, batch, rows, weights, *others = found[5:]
        assert (steps, batch, rows, weights) == ("9", str(2**33), "0", address)
        assert set(others) == {"0"}
    assert [form[3] for form in planned] == ["1", "1", "1", "0"]


def test_batches_of_two_sizes_take_turns_with_one_kernel(told):
    shared = [int(line.split()[2]) for line in told[0][1:4]]
    assert shared[0] == shared[2] > shared[1]
    assert len([line for line in told[1] if line.startswith("backward")]) == 4
