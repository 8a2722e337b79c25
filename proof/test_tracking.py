"""A slow-down by the clock is found in the tracked history at its commit, and a history without one is quiet."""

import json
import shutil

from history import ROOT, History

LAYER = '''"""A layer of so many equal rounds, in place of the harness: all that the suite asks of a commit."""

import torch
from torch import nn

ROUNDS = 20


class HarnessError(Exception):
    """Never raised here."""


class Layer(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.first = nn.Parameter(torch.randn(inputs, hidden, generator=generator) * inputs**-0.5)
        self.weight = nn.Parameter(torch.randn(hidden, hidden, generator=generator) * hidden**-0.5)

    def forward(self, x):
        y = x @ self.first
        for _ in range(ROUNDS):
            y = torch.tanh(y @ self.weight)
        return y, (y[-1],)


def build(pair, *, inputs, hidden, seed=0):
    return Layer(inputs, hidden)
'''
PYPROJECT = """[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "cell-harness"
version = "1"
[tool.hatch.build.targets.wheel]
only-include = ["src/harness.py"]
sources = ["src"]
"""
GRID = {"cells": ["lstm"], "backends": ["torch"], "shapes": ["B32 T40 H64 I2", "B8 T40 H128 I2"], "tasks": []}
CURVES, ENOUGH = 4, 3
"""Two modes at two shapes; asv's detection wants a few more commits where the machine is noisy."""


class Timed(History):
    """Commits of the layer above, timed by the project's own suite."""

    def __init__(self, root):
        super().__init__(root)
        shutil.copy(ROOT / "asv.conf.json", root)
        (root / "src").mkdir()
        (root / "src" / "harness.py").write_text(LAYER)
        (root / "pyproject.toml").write_text(PYPROJECT)
        suite = root / "benchmarks"
        (suite / "planted.py").unlink()
        (suite / "runs.py").unlink()
        (suite / "grid.json").write_text(json.dumps(GRID))
        for name in ("engine.py", "layers.py", "speed.py"):
            shutil.copy(ROOT / "benchmarks" / name, suite)

    def reported(self):
        """What the gate reports of all commits after the first: curve and number of the commit."""
        assert self.harness("track", "run", "ALL").returncode == 0
        done = self.harness("track", "check", "--since", self.commits[0], "--json")
        assert done.returncode == 0, "times fail no gate"
        return {(row["benchmark"], self.commits.index(row["commit"])) for row in json.loads(done.stdout)["findings"]}


def test_thirty_per_cent_are_reported_at_their_commit(prove, tmp_path):
    history = Timed(tmp_path / "repository")
    for number in range(7):
        source = history.root / "src" / "harness.py"
        if number == 3:
            source.write_text(source.read_text().replace("ROUNDS = 20", "ROUNDS = 26"))
        history.commit(f"Commit {number}")
    found = history.reported()
    right = {curve for curve, number in found if number == 3}
    claim = "tracked: 30 % slower from the fourth of seven commits on, two modes, two shapes"
    prove(claim, f"{ENOUGH} or more of {CURVES} curves, 0 elsewhere", f"{len(right)}, {len(found) - len(right)}")
    assert ENOUGH <= len(right) == len(found)


def test_a_history_without_a_change_is_quiet(prove, tmp_path):
    history = Timed(tmp_path / "repository")
    for number in range(7):
        history.commit(f"Commit {number}")
    found = history.reported()
    prove("tracked: seven commits of the same code, two modes, two shapes", "0 curves reported", str(len(found)))
    assert not found
