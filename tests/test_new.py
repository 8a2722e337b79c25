"""`harness new` writes what works at once: it is checked, runs, installs by pip, and overwrites nothing."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from harness import plugins
from harness.spelling import parse
from harness.testing import assert_cell_ok, assert_task_ok

KINDS = ("cell", "task", "backend")
BAD = ("class", "Fresh", "9fresh", "fresh-cell", "../fresh", "_", "", "gru", "eager", "json")


@pytest.fixture
def offered(command, tmp_path):
    """By kind, what the written file `fresh.py` offers; in folders of their own, since names must be new."""

    def new(kind: str):
        assert command("new", kind, "fresh").returncode == 0
        return plugins.load([tmp_path / "fresh.py"])

    return new


def test_a_new_cell_passes_every_check(offered):
    assert_cell_ok(offered("cell").cell(parse("fresh")))


def test_a_new_task_passes_every_check(offered):
    assert_task_ok(offered("task").task(parse("fresh")))


def test_a_new_backend_passes_every_check(offered):
    catalog = offered("backend")
    assert_cell_ok(catalog.cell(parse("rnn")), catalog.backend("fresh"))


@pytest.mark.parametrize("kind", KINDS)
def test_the_printed_grid_can_be_planned_and_holds_the_new_one(command, kind):
    run = json.loads(command("new", kind, "fresh", "--json").stdout)["next"][1]
    harness, verb, *arguments = shlex.split(run)
    assert (harness, verb) == ("harness", "run")
    planned = command("plan", *arguments, "--json")
    assert planned.returncode == 0, planned.stderr
    assert "fresh" in planned.stdout


def test_a_new_cell_trains_beside_gru(command):
    command("new", "cell", "fresh")
    tiny = ("--tasks", "adding[length=8]", "--set", "training.steps=5", "--set", "training.evaluate_every=5")
    ran = command(
        "run", "--plugin", "fresh.py", "--cells", "fresh,gru", *tiny, "--seeds", "1", "--measures", "accuracy",
        "--accuracy-on", "eager", "--backends", "eager",
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "fresh" in ran.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_distribution_installs_without_a_network_and_is_found_by_its_entry_point(command, tmp_path, kind):
    assert command("new", kind, "fresh", "--package").returncode == 0
    pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    installed = subprocess.run(
        [*pip, "--disable-pip-version-check", "--target", "site", "./fresh"],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert installed.returncode == 0, installed.stderr
    path = os.pathsep.join([str(tmp_path / "site"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    listed = command("list", "--json", PYTHONPATH=path)
    assert "fresh" in [offer["name"] for offer in json.loads(listed.stdout)[f"{kind}s"]], listed.stdout


@pytest.mark.parametrize("name", BAD)
def test_a_bad_name_is_refused_in_words_and_nothing_is_written(command, tmp_path, name):
    refused = command("new", "cell", name)
    assert refused.returncode == 2
    assert "wanted" in refused.stderr
    assert "found" in refused.stderr
    assert "hint:" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", [(), ("--package",)])
def test_nothing_is_overwritten(command, tmp_path, package):
    there = tmp_path / ("fresh" if package else "fresh.py")
    there.write_text("mine", "utf-8")
    refused = command("new", "task", "fresh", *package)
    assert refused.returncode == 2
    assert "hint:" in refused.stderr
    assert there.read_text("utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [there]


def test_a_link_to_nowhere_is_not_followed(command, tmp_path):
    (tmp_path / "fresh").symlink_to(tmp_path / "nowhere")
    refused = command("new", "cell", "fresh", "--package")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
