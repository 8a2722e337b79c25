"""What several tests need: the catalog, and the command line as a user calls it."""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from harness import plugins, store

# No test depends on the clock: neither an example's time nor that of drawing it, slow on a first run, fails one.
settings.register_profile("harness", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("harness")

HERE = Path(__file__).parent
collect_ignore = ["example_plugin"]  # a distribution with tests of its own: test_example_plugin.py runs them

LONGEST = ("write_a_cell", "runner", "dask", "track", "compare", "replay", "speed", "memory_unseen", "gpu_check")
"""Files of tests that are given out first, each whole: last, they would keep one worker while the other waits."""


def pytest_collection_modifyitems(items):
    places = {f"test_{name}": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


@pytest.fixture(scope="session")
def catalog():
    return plugins.load()


@pytest.fixture
def command(tmp_path):
    """Runs `harness …` in an empty folder and returns what it printed and its exit code."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "NO_COLOR": "1", "COLUMNS": "120", **environment},
        )

    return run


@pytest.fixture(scope="session")
def cells():
    """Every shipped cell and every one in tests/cells, by name."""
    catalog = plugins.load(sorted((HERE / "cells").glob("*.py")))
    return {name: entry.value for name, entry in catalog.cells.items()}


@pytest.fixture(scope="module")
def one_thread():
    """As a trial has it; on shapes as small as the gate's more threads only wait for each other."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def plain():
    """The plain driver of generated text: tests/kernels/plain.py as a module."""
    spec = importlib.util.spec_from_file_location("plain", HERE / "kernels" / "plain.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def mgu_file() -> Path:
    return HERE / "cells" / "mgu.py"


@pytest.fixture
def swapped_file() -> Path:
    return HERE / "plugins" / "swapped_gates.py"


@pytest.fixture
def wrong_examples_file() -> Path:
    return HERE / "plugins" / "wrong_examples.py"


@pytest.fixture
def grid(tmp_path) -> Path:
    """A small grid, where `command` finds it as small.toml."""
    return Path(shutil.copy(HERE / "grids" / "small.toml", tmp_path))


@pytest.fixture
def write(tmp_path):
    """Writes a run from answers (record, arrays) and trials without an answer; reads it back as the report does."""

    def written(answers, unanswered=(), impossible=()):
        planned = [answer.trial for answer, _ in answers] + list(unanswered)
        with store.Results(tmp_path / "results") as results:
            writer = store.RunWriter(results.new_run("20300101-000000-quick"))
            described = {"grid": {"name": "quick", "title": "a first look"}, "facts": {"cpu": "a CPU", "cores": 2}}
            writer.describe(described, [store.Planned(trial=t, basis="b") for t in planned], impossible)
            for answer, arrays in answers:
                if arrays:
                    np.savez(tmp_path / "arrays.npz", **arrays)
                    kept = writer.keep_arrays(answer.id, tmp_path / "arrays.npz")
                    writer.write(replace(answer, arrays=kept))
                else:
                    writer.write(answer)
            writer.close()
        return store.read_run(tmp_path / "results")

    yield written
    shutil.rmtree(tmp_path / "results", ignore_errors=True)
