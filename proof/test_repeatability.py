"""The same training is the same to the bit, wherever and whenever it runs: alone, in a grid, resumed, on any worker."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness import plugins, store
from harness.trial import Trial

GRID = """
cells = "all"
backends = "all"
order = ["fused", "torch", "numpy", "eager"]
measures = ["accuracy"]
accuracy_on = "all"
timeout = 120

[[accuracy]]
task = "adding[length=20]"
model = { hidden = 16 }
training = { steps = 60, evaluate_every = 20, validation = 128, test = 256 }
"""


def harness(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "harness", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers(results: Path) -> dict[str, str]:
    """By trial id, the digest of the loss history, of every score and of every curve that no clock made."""
    return {record.id: record.answer for _, record in store.read_all(results) if record.trial.measure == "accuracy"}


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The whole grid, two seeds of every pair, on two workers."""
    folder = tmp_path_factory.mktemp("repeatability")
    (folder / "grid.toml").write_text(GRID)
    harness(folder, "run", "--grid", "grid.toml", "--seeds", "2", "--jobs", "2", "--results", "whole")
    return folder


def trials(folder: Path) -> dict[str, Trial]:
    return {t.id: t for t in store.read_run(folder / "whole").planned if t.measure == "accuracy"}


def compare(prove, claim: str, found: dict[str, str], wanted: dict[str, str]) -> None:
    same = sum(wanted[trial_id] == answer for trial_id, answer in found.items())
    prove(claim, "all", f"{same} of {len(found)}")
    assert found
    assert same == len(found)


def test_a_training_alone_is_that_of_the_grid(whole, prove):
    wanted, found = answers(whole / "whole"), {}
    for pair in {trial.cell: trial.pair for trial in reversed(trials(whole).values())}.values():  # the first backend
        results = f"alone-{pair}"
        harness(whole, "run", "--grid", "grid.toml", "--cells", pair, "--seeds", "1", "--results", results)
        found |= answers(whole / results)
    assert {trials(whole)[trial_id].seed for trial_id in found} == {0}
    compare(prove, "a training run alone has the loss history it has in the grid, to the bit", found, wanted)


def test_a_resumed_grid_is_the_uninterrupted_one(whole, prove):
    for seeds in ("1", "2"):
        harness(whole, "run", "--grid", "grid.toml", "--seeds", seeds, "--results", "resumed")
    found = answers(whole / "resumed")
    assert len(list((whole / "resumed" / "runs").iterdir())) == 2
    assert found.keys() == trials(whole).keys()
    compare(prove, "a resumed grid has the loss histories of the uninterrupted one", found, answers(whole / "whole"))


def test_the_worker_makes_no_difference(whole, prove):
    wanted = answers(whole / "whole")
    for jobs in ("1", "3"):
        results = f"jobs-{jobs}"
        harness(whole, "run", "--grid", "grid.toml", "--seeds", "2", "--jobs", jobs, "--results", results)
        claim = f"on {jobs} worker{'s' * (jobs != '1')} of another server the loss histories are those on 2"
        compare(prove, claim, answers(whole / results), wanted)


def test_a_record_replays_to_the_same_bits(whole, prove):
    wanted = answers(whole / "whole")
    last = {trial.cell.name: trial_id for trial_id, trial in trials(whole).items()}  # on its last backend
    assert {*plugins.load().cells} == {*last}
    found = {}
    for trial_id in last.values():
        told = json.loads(harness(whole, "replay", trial_id, "--results", "whole", "--json"))
        assert told["same"], told["differences"]
        found[trial_id] = told["now"]["answer"]
    compare(prove, "`harness replay` of a training of every cell gives the recorded answer", found, wanted)
