"""A distribution from outside: installed, its cell and its task are there; gone, they are gone."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "example_plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A folder into which pip has installed the distribution, from a copy, without a network."""
    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(folder / "site"), str(folder / "source")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


def path_with(site: Path) -> str:
    return os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH", "")]))


def test_its_cell_and_its_task_are_there_while_it_is_installed(command, site):
    found = json.loads(command("list", "--json", PYTHONPATH=path_with(site)).stdout)
    assert {"leaky"} < {offer["name"] for offer in found["cells"]}
    assert {"echo"} < {offer["name"] for offer in found["tasks"]}
    without = json.loads(command("list", "--json").stdout)
    assert "leaky" not in {offer["name"] for offer in without["cells"]}


def test_both_have_rows_in_a_grid(command, site):
    sizes = ("training.steps=20", "training.evaluate_every=10", "training.test=64", "training.validation=64")
    ran = command(
        *("run", "--cells", "leaky,gru", "--tasks", "echo[delay=2,length=8]", "--measures", "accuracy", "--seeds", "1"),
        *(word for size in sizes for word in ("--set", size)),
        *("--backends", "eager", "--accuracy-on", "eager"),
        PYTHONPATH=path_with(site),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 of 4 planned trials have a result" in ran.stdout
    assert "leaky@eager" in ran.stdout


def test_its_own_tests_pass(site):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(SOURCE),
            str(SOURCE / "tests"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path_with(site)},
        cwd=site,
    )
    assert done.returncode == 0, done.stdout
    assert "30 passed" in done.stdout
