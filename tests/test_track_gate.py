"""The gate where asv's detection sees nothing: short histories, several machines, parts that were not measured."""

import json
import math
import os
import shutil
import subprocess
import sys

import pytest

from harness.track.suite import find
from history import History

IMPORTED = "runs.RunsAccuracy.track_error"


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Five commits, of which the second and the last were not measured: memory falls, then rises above where it was;
    the fourth costs accuracy. All by plain `asv run`, and the first one has an imported figure."""
    made = History(tmp_path_factory.mktemp("gate") / "repository")
    made.commit("Three cells")
    made.commit("Change nothing")
    made.commit("Slim lstm", ('"bytes": 4000', '"bytes": 3600'))
    made.commit("Fatten lstm, break rnn", ('"bytes": 3600', '"bytes": 4400'), ('"error": 0.2', '"error": 0.3'))
    made.commit("Change nothing again")
    for k in (0, 2, 3):
        done = made.asv("run", f"{made.commits[k]}^!" if k else made.commits[k])
        assert done.returncode == 0, done.stdout + done.stderr
    file = made.kept(made.commits[0])
    stored = json.loads(file.read_text())
    row = stored["results"][IMPORTED]
    row[0] = [0.5] + [math.nan] * (math.prod(map(len, row[1])) - 1)
    file.write_text(json.dumps(stored))
    return made


def check(history, since):
    done = history.harness("track", "check", "--json", "--since", since)
    answer = json.loads(done.stdout) if done.stdout else {"findings": []}
    return done, {(row["machine"], row["kind"], row["benchmark"]) for row in answer["findings"]}, answer


def machine(history):
    return history.kept(history.commits[0]).parent


LSTM, RNN = "planted.Memory.track_train_peak(lstm)", "planted.Accuracy.track_error(rnn)"


def test_what_rises_again_is_found_in_a_history_of_three_and_a_gap_in_what_is_imported_is_nothing(history):
    done, found, answer = check(history, history.commits[0])
    assert done.returncode == 1
    assert found == {(machine(history).name, "worse", LSTM), (machine(history).name, "worse", RNN)}
    (row,) = (row for row in answer["findings"] if row["benchmark"] == LSTM)
    assert (row["before"], row["after"], row["commit"]) == (4000, 4400, history.commits[3])


def test_what_was_not_measured_is_said_with_what_is_judged_instead(history):
    done, _, answer = check(history, history.commits[1])
    assert (answer["against"], answer["commit"]) == (history.commits[0], history.commits[3])
    assert f"note: HEAD was not measured, {history.commits[3][:8]} is judged" in done.stderr
    assert f"note: {history.commits[1]} was not measured, {history.commits[0][:8]} is judged" in done.stderr


def test_findings_of_several_machines_are_told_apart(history):
    mine = machine(history)
    other = shutil.copytree(mine, mine.with_name("other"))
    try:
        for file in other.iterdir():
            text = file.read_text().replace(f'"machine": "{mine.name}"', '"machine": "other"')
            file.write_text(text)
        _, found, _ = check(history, history.commits[0])
    finally:
        shutil.rmtree(other)
    assert found == {(name, "worse", curve) for name in (mine.name, "other") for curve in (LSTM, RNN)}


def test_a_gate_with_nothing_to_judge_against_does_not_pass(history):
    first = history.kept(history.commits[0])
    aside = first.rename(first.with_suffix(".aside"))
    try:
        done, *_ = check(history, history.commits[1])
    finally:
        aside.rename(first)
    assert done.returncode == 2
    assert "found none" in done.stderr
    assert f"harness track run {history.commits[1]}^!" in done.stderr


def test_a_benchmark_that_fails_is_found_where_nothing_was_measured_before(history):
    first, last = (history.kept(history.commits[k]) for k in (0, 3))
    kept = first.read_text(), last.read_text()
    other = last.with_name(last.name.replace("torch", "torch9"))
    stored = json.loads(kept[1])
    stored["env_name"] = stored["env_name"].replace("torch", "torch9")
    stored["results"]["planted.Sizes.track_parameters"][0][0] = None
    other.write_text(json.dumps(stored))
    try:
        _, found, _ = check(history, history.commits[0])
    finally:
        other.unlink()
    assert (machine(history).name, "failed", "planted.Sizes.track_parameters(rnn, numpy)") in found


def partly(history, *names):
    """The last commit with figures of some benchmarks alone, as `harness track run -- -b …` leaves it."""
    like = history.kept(history.commits[3])
    stored = json.loads(like.read_text())
    stored["commit_hash"] = history.commits[4]
    stored["results"] = {name: row for name, row in stored["results"].items() if name in names}
    file = like.with_name(like.name.replace(history.commits[3][:8], history.commits[4][:8]))
    file.write_text(json.dumps(stored))
    return file


def test_a_benchmark_that_was_not_measured_passes_no_gate(history):
    file = partly(history, "planted.Speed.track_train_step")
    try:
        done, *_ = check(history, history.commits[3])
        reached, _, answer = check(history, history.commits[0])
    finally:
        file.unlink()
    assert done.returncode == 2
    assert "found none of planted.Accuracy.track_error, planted.Memory.track_train_peak, planted.Sizes" in done.stderr
    assert "harness track run HEAD^!" in done.stderr
    assert answer["commit"] == history.commits[3]
    assert "note: HEAD was not measured" in reached.stderr


def test_a_revision_that_went_on_alone_is_judged_from_where_it_parted(history):
    parted, tree = history.commits[2], f"{history.commits[2]}^{{tree}}"
    alone = history.git("commit-tree", "-m", "Alone", "-p", parted, tree).stdout.strip()
    done = history.harness("track", "check", "--since", alone)
    assert done.returncode == 1
    assert f"{LSTM} at {history.commits[3][:8]}" in done.stdout
    assert "3.6k bytes → 4.4k bytes (+22.2%)" in done.stdout
    assert f"{parted[:8]}, which they share, is the base" in done.stderr
    measured = [history.kept(history.commits[k]) for k in (0, 2)]
    aside = [file.rename(file.with_suffix(".aside")) for file in measured]
    try:
        done = history.harness("track", "check", "--since", alone)
    finally:
        for file in aside:
            file.rename(file.with_suffix(".json"))
    assert done.returncode == 2
    assert f"hint: harness track run {parted[:8]}^!" in done.stderr


def test_a_shallow_clone_is_said_with_what_mends_it(history, tmp_path):
    history.git("clone", "--quiet", "--depth", "1", f"file://{history.root}", str(tmp_path / "clone"))
    said = {
        ("track", "check", "--since", "HEAD~1"): (2, "hint: git fetch --unshallow"),
        ("track", "run", "HEAD~1..HEAD"): (2, "hint: git fetch --unshallow"),
        ("dashboard", "--no-serve"): (1, "note: commits that are not here are not drawn (git fetch --unshallow"),
    }
    home = {**os.environ, "HOME": str(history.root / "home")}
    for arguments, (code, words) in said.items():
        command = [sys.executable, "-m", "harness", *arguments]
        done = subprocess.run(command, cwd=tmp_path / "clone", env=home, capture_output=True, text=True)
        assert done.returncode == code
        assert words in done.stderr


def test_a_checkout_that_git_does_not_trust_is_said_in_gits_words(history):
    done = history.harness("track", "check", "--since", "HEAD", GIT_TEST_ASSUME_DIFFERENT_OWNER="1")
    assert done.returncode == 2
    assert "git config --global --add safe.directory" in done.stderr


def test_asv_compares_two_commits_by_its_own_commands(history):
    two = [history.commits[k] for k in (2, 3)]
    table = history.asv("compare", *two).stdout
    assert [line for line in table.splitlines() if line.startswith("| +")]
    done = history.asv("continuous", *two, "--bench", "planted.Memory")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "PERFORMANCE DECREASED" in done.stdout


def test_a_list_of_benchmarks_with_marks_of_a_merge_is_said(history):
    file = history.root / "results" / "asv" / "benchmarks.json"
    kept = file.read_text()
    file.write_text(f"<<<<<<< HEAD\n{kept}")
    try:
        done = history.harness("track", "check", "--since", history.commits[0])
    finally:
        file.write_text(kept)
    assert done.returncode == 2
    assert "benchmarks.json is damaged" in done.stderr
    assert "hint: harness track run" in done.stderr


def test_asvs_own_results_are_no_uncommitted_change(history):
    history.git("add", "--force", "results/asv")
    history.git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message", "Measured")
    benchmarks = history.root / "results" / "asv" / "benchmarks.json"
    benchmarks.write_text(benchmarks.read_text() + "\n")
    assert find(history.root).is_clean()
    (history.root / "toy.py").write_text("")
    assert not find(history.root).is_clean()
