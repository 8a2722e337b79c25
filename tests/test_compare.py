"""`harness compare` and `harness doctor` as a user calls them, on sides whose difference is planted."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
TOYS = ("--plugin", str(REPOSITORY / "tests" / "plugins" / "toys.py"))
SMALL = ("--shape", "B2,T3,H4,I2", "--pairs", "6", "--budget", "1")


def harness(*arguments, cwd=REPOSITORY, environment=None):
    command = [sys.executable, "-m", "harness", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment)


def plain(*arguments, **where):
    done = harness("compare", *arguments, "--json", **where)
    assert done.returncode in (0, 1, 3), done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def slower():
    return plain("rnn@burn", "rnn@nothing", *TOYS, *SMALL, "--fail-if", "slower:3%", "--fail-if", "larger:900%")


def test_a_slower_side_is_called_slower_with_its_figures(slower):
    _, document = slower
    by_measure = {found["measure"]: found for found in document["comparisons"]}
    train = by_measure["train"]
    assert (train["a"], train["b"], train["shape"]) == ("rnn@burn", "rnn@nothing", "B2 T3 H4 I2")
    assert train["verdict"] == by_measure["forward"]["verdict"] == "slower"
    assert train["interval"][0] < train["speedup"] < train["interval"][1] < 1
    ours, theirs = train["a_seconds_interval"], train["b_seconds_interval"]
    assert theirs[0] / ours[1] <= train["speedup"] <= theirs[1] / ours[0]
    assert train["pairs"] >= 6
    assert train["detectable"] > 0
    for figure in ("a_seconds", "b_seconds", "a_first_seconds", "b_first_seconds"):
        low, high = train[f"{figure}_interval"]
        assert 0 < low <= train[figure] <= high, figure


def test_memory_is_compared_beside_speed(slower):
    _, document = slower
    peak = next(found for found in document["comparisons"] if found["measure"] == "train peak")
    assert peak["verdict"] == "same"
    assert peak["a_bytes"] == peak["b_bytes"] > 0


def test_only_the_broken_condition_is_named_and_the_exit_code_is_one(slower):
    code, document = slower
    assert code == 1
    assert len(document["failed"]) == 2  # train and forward
    assert all(text.startswith("fails slower:3%: slower") for text in document["failed"])


def test_two_cells_on_one_backend_are_compared_and_printed_in_words():
    done = harness("compare", "lstm@numpy", "rnn@numpy", *SMALL, "--measures", "speed")
    assert done.returncode == 0, done.stderr
    assert "slower    a train step: lstm@numpy" in done.stdout
    assert "pairs of processes, 95 %" in done.stdout


def test_a_side_that_fails_its_gate_is_not_timed():
    done = harness("compare", "rnn@faint", "rnn@nothing", *TOYS, *SMALL)
    assert done.returncode == 2
    assert "conformance · rnn@faint ended as rejected" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lstm"], "wanted two sides, or one and --base REV"),
        (["lstm", "gru", "--shape", "32"], "wanted a shape like B32,T40,H64,I2"),
        (["gru_reset_before@torch", "gru"], "gru_reset_before@torch cannot run"),
        (["lstm", "gru", "--fail-if", "slower"], "wanted slower:P%, larger:P%, worse, worse:P% or undecided"),
        (["lstm", "gru", "--fail-if", "worse"], "wanted a comparison of accuracy for --fail-if worse, found memory"),
        (["lstm", "gru", "--measures", "memory", "--fail-if", "slower:3%"], "wanted a comparison of speed"),
        (
            ["lstm", "--base", "HEAD", "--measures", "speed,accuracy", "--fail-if", "worse"],
            "wanted a comparison of acc",
        ),
        (["lstm", "gru", "--pairs", "5"], "5 is not in the range x>=6"),
        (["lstm", "gru", "--measures", "beauty"], "wanted a measure"),
    ],
)
def test_a_mistake_is_told_in_words(arguments, message):
    done = harness("compare", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository of the harness whose working tree has made the eager loop slower than its last commit."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("harness", "plugins", "tasks"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "first"]
    for command in (["git", "init", "-q"], ["git", "add", "-A"], commit):
        subprocess.run(command, cwd=folder, check=True)
    unroll = folder / "harness" / "unroll.py"
    text = unroll.read_text("utf-8")
    unroll.write_text(text.replace("    for ", "    sum(k * k for k in range(20_000))\n    for ", 1), "utf-8")
    return folder


def test_a_revision_made_slower_is_found_beside_its_base(repository):
    path = ":".join(str(repository / name) for name in ("", "plugins", "tasks"))
    environment = {**os.environ, "PYTHONPATH": path}
    code, document = plain(
        "rnn@eager", "--base", "HEAD", *SMALL, "--fail-if", "slower:3%", cwd=repository, environment=environment
    )
    assert code == 1
    train, *_, kept = document["comparisons"]
    assert (train["b"], train["verdict"]) == ("rnn@eager at HEAD", "slower")
    assert (kept["measure"], kept["verdict"]) == ("kept for backward", "same")
    worktrees = subprocess.run(["git", "worktree", "list"], cwd=repository, capture_output=True, text=True)
    assert len(worktrees.stdout.splitlines()) == 1, "the base's folder is gone"


def test_an_unknown_revision_is_told_in_words():
    done = harness("compare", "rnn@eager", "--base", "no-such-revision")
    assert done.returncode == 2
    assert "found 'no-such-revision'" in done.stderr


def test_a_doctor_without_the_device_says_so_before_its_work(tmp_path):
    done = harness(
        "doctor", "--device", "cuda", "--results", str(tmp_path), environment={**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    )
    assert done.returncode == 2
    assert "wanted a CUDA device, found none" in done.stderr


def test_the_doctor_keeps_what_it_found_where_reports_find_it(tmp_path):
    done = harness("doctor", "--pair", "rnn@numpy", "--comparisons", "3", "--results", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    noise = json.loads(done.stdout)["noise"]
    assert noise["verdicts"] == 6
    assert noise["greatest"] > 0
    assert 0 < noise["detectable"] <= noise["worst_detectable"]
    from harness.noise import read_noise

    kept = read_noise(tmp_path, noise["fingerprint"])
    assert kept.false_alarms == noise["false_alarms"]
    assert read_noise(tmp_path, "0" * 12) is None
