"""What the allocator's count misses is marked, what it sees is not."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.bench.weight import COUNTED, Weight
from harness.isolation.client import environment
from harness.report.scaling import FEWEST_SIZES

PLUGIN = Path(__file__).parent / "plugins" / "hiding.py"
HIDDEN = 64 * 2**20
ACTS = ("open", "pointer", "syscall", "file", "thread", "cache", "pool")

ASK = """
import json, os, sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from harness import plugins
from harness.bench.balance import Balance
from harness.isolation.server import preload
from harness.measures.step import build_step
from harness.measures import Context, measure
from harness.settings import LayerShape
from harness.trial import Subject, Trial

folder, plugin, acts = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:]
preload()
catalog = plugins.load([plugin])
shape = LayerShape(batch=2, length=8, hidden=4, inputs=2)


def balanced(act):
    # The same on the balance that `compare --base` uses.
    pid = os.fork()
    if pid == 0:
        try:
            trial = Trial(measure="memory", cell=Subject.of(catalog.cells["rnn"].value), backend=act, shape=shape)
            sizes = [shape, replace(shape, length=4, batch=1)]
            makes = [partial(build_step, replace(trial, shape=s), (trial.cell, act), catalog) for s in sizes]
            found = Balance(*makes, "cpu", lambda: None).weigh()
            (folder / f"{act}-balance.json").write_text(json.dumps(found), "utf-8")
        finally:
            sys.stderr.flush()
            os._exit(0)
    return pid


for act in acts:
    pid = os.fork()
    if pid == 0:
        try:
            trial = Trial(measure="memory", cell=Subject.of(catalog.cells["rnn"].value), backend=act, shape=shape)
            found = measure(trial, Context(catalog=catalog, folder=folder))
            plain = {name: m.value for name, m in found.values.items()} | {"sizes": found.arrays["scaling"].tolist()}
            plain["in_digest"] = [name for name, m in found.values.items() if not m.timed]
            (folder / f"{act}.json").write_text(json.dumps(plain), "utf-8")
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.waitpid(pid, 0)
    if act in ("pointer", "cache", "thread"):
        os.waitpid(balanced(act), 0)
"""


@pytest.fixture(scope="module")
def weighed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unseen")
    command = [sys.executable, "-c", ASK, str(folder), str(PLUGIN), *ACTS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(1))
    assert done.returncode == 0, done.stderr
    return {path.stem: json.loads(path.read_text("utf-8")) for path in folder.glob("*.json")}


@pytest.mark.parametrize("act", ["open", "thread", "file"])
def test_what_passes_the_allocator_or_mmap_is_counted_and_not_marked(weighed, act):
    found = weighed[act]
    assert found["train_peak_bytes"] >= HIDDEN
    assert not found["hides"]
    assert not found["hoards"]


@pytest.mark.parametrize("act", ["pointer", "syscall"])
def test_what_a_step_takes_behind_the_allocators_back_is_marked(weighed, act):
    found = weighed[act]
    assert found["train_peak_bytes"] < HIDDEN / 10
    assert found["hides"]
    assert found["unseen_bytes"] == pytest.approx(HIDDEN, rel=0.1)


def test_a_cache_between_calls_is_no_part_of_a_step_and_is_told(weighed):
    found = weighed["cache"]
    assert found["train_peak_bytes"] < HIDDEN / 10
    assert found["hoards"]
    assert found["held_bytes"] == pytest.approx(HIDDEN, rel=0.1)


def test_a_pool_that_is_neither_counted_nor_given_back_is_marked(weighed):
    assert weighed["pool"]["hides"]
    assert weighed["pool"]["unseen_bytes"] == pytest.approx(HIDDEN, rel=0.1)


@pytest.mark.parametrize("act", ["pointer", "cache", "thread"])
def test_the_balance_between_revisions_weighs_and_marks_as_the_measure_does(weighed, act):
    found, measured = Weight.of(weighed[f"{act}-balance"]), weighed[act]
    for name in COUNTED:
        assert getattr(found, name) == pytest.approx(measured[name], rel=0.01, abs=10_000)
    assert (found.hides, found.hoards) == (measured["hides"], measured["hoards"])


def test_what_the_machine_says_of_a_weight_is_no_part_of_the_answer(weighed):
    in_digest = set(weighed["open"]["in_digest"])
    assert set(COUNTED) <= in_digest
    assert not in_digest & {"repeatable", "hides", "hoards", "spread_bytes", "unseen_bytes", "held_bytes"}


def test_a_trial_weighs_enough_sizes_to_fit_its_growth(weighed):
    sizes = np.array(weighed["open"]["sizes"])
    assert len(sizes) >= FEWEST_SIZES
    assert sizes[-1][:3].tolist() == [8, 2, 4]
    assert len({tuple(row[:3]) for row in sizes.tolist()}) == len(sizes)
