"""The tracked history: planted regressions are found at their commits, and nothing else is."""

import json
import math
import os
import re
import socket
import sys

import pytest
from matplotlib.image import imread

from browser import browser, look, served
from history import GRID, History

SLOWER = ('"seconds": 3e-3', '"seconds": 3.9e-3')
FATTER = ('"bytes": 4000', '"bytes": 4100')
WORSE = ('"error": 0.2', '"error": 0.3')


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """Six commits, all measured: the second slows a cell, the third adds one, the fourth and fifth cost memory and
    accuracy, the last changes nothing."""
    made = History(tmp_path_factory.mktemp("track") / "repository")
    made.commit("Three cells")
    made.commit("Slow gru", SLOWER)
    made.commit(
        "Add mgu, before the others",
        ('    "rnn"', '    "mgu": {"seconds": 2e-3, "bytes": 2000, "error": 0.4},\n    "rnn"'),
    )
    made.commit("Fatten lstm", FATTER)
    made.commit("Break rnn", WORSE)
    made.commit("Change nothing")
    done = made.harness("track", "run", "ALL", OPENBLAS_CORETYPE="Nehalem")
    assert done.returncode == 0, done.stdout + done.stderr
    return made


def found(history, *arguments):
    done = history.harness("track", "check", "--json", *arguments)
    assert not done.stderr, done.stderr
    rows = json.loads(done.stdout)["findings"]
    return done.returncode, {(row["benchmark"], row["commit"]) for row in rows}, rows


def test_exactly_the_planted_regressions_are_found_at_their_commits(history):
    code, where, rows = found(history, "--since", history.commits[0])
    assert code == 1
    assert where == {
        ("planted.Speed.track_train_step(gru)", history.commits[1]),
        ("planted.Memory.track_train_peak(lstm)", history.commits[3]),
        ("planted.Accuracy.track_error(rnn)", history.commits[4]),
    }
    assert [row["timed"] for row in rows] == [False, False, True]


def test_identical_commits_pass(history):
    code, where, _ = found(history, "--since", history.commits[4])
    assert (code, where) == (0, set())


def test_times_are_reported_but_not_judged(history):
    history.git("checkout", "--quiet", history.commits[2])
    try:
        done = history.harness("track", "check", "--since", history.commits[0])
    finally:
        history.git("checkout", "--quiet", "main")
    assert done.returncode == 0, done.stdout
    assert re.search(r"time, not judged: planted.Speed.track_train_step\(gru\).*\+30.0%", done.stdout)
    assert f"harness compare CELL@BACKEND --base {history.commits[0]}" in done.stderr


def test_a_cell_that_comes_in_relabels_no_curve(history):
    before = {"rnn": 1e-3, "lstm": 4e-3, "gru": 3e-3}
    name = "planted.Speed.track_train_step"
    first, last = (history.figures(history.commits[k], name) for k in (0, -1))
    assert math.isnan(first.pop("mgu"))
    assert first == pytest.approx(before)
    assert last == pytest.approx({**before, "gru": 3.9e-3, "mgu": 2e-3})


def test_kernels_chosen_by_hand_do_not_reach_the_suite(history):
    assert history.figures(history.commits[0], "planted.Speed.track_train_step")["rnn"] == 1e-3


def test_a_machine_asv_does_not_know_is_entered_without_a_question(history):
    known = json.loads((history.root / "home" / ".asv-machine.json").read_text())
    (name,) = {entry["machine"] for entry in known.values() if isinstance(entry, dict)}
    assert {folder.name for folder in (history.root / "results" / "asv").iterdir()} == {name, "benchmarks.json"}


def test_what_was_measured_is_kept_and_uncommitted_changes_are_said_not_to_be_measured(history):
    file, toy = history.kept(history.commits[-1]), history.root / "toy.py"
    before = json.loads(file.read_text())
    kept = toy.read_text()
    toy.write_text(f"{kept}\n")
    try:
        done = history.harness("track", "run")
    finally:
        toy.write_text(kept)
    assert done.returncode == 0
    assert "note: uncommitted changes are not measured" in done.stderr
    assert json.loads(file.read_text())["results"] == before["results"]


def test_the_pages_load_nothing_from_elsewhere(history):
    done = history.harness("dashboard", "--no-serve")
    assert done.returncode == 0, done.stderr
    assert "+ asv publish --no-pull" in done.stderr
    folder = history.root / ".asv" / "html"
    loaded = re.findall(r'(?:src|<link[^>]*href)="([^"]+)"', (folder / "index.html").read_text())
    assert len([name for name in loaded if name.startswith("assets/")]) == 10
    assert not [name for name in loaded if not (folder / name).exists() and name != "regressions.xml"]


def test_a_commit_leads_to_its_day_and_subject(history):
    assert history.harness("dashboard", "--no-serve").returncode == 0
    page = (history.root / ".asv" / "html" / "commits.html").read_text()
    row = f'<tr id="{history.commits[2][:8]}">.*<td>2030-01-01<td>Add mgu, before the others'
    assert re.search(row, page)
    assert page.count("<tr ") == len(history.commits)
    assert "//" not in page


@pytest.fixture(scope="module")
def pages(history, tmp_path_factory):
    """Opens a page of the published history in a browser that reaches no other machine."""
    if browser() is None:
        pytest.skip("wants Chromium, found none: apt install chromium")
    assert history.harness("dashboard", "--no-serve").returncode == 0
    folder = tmp_path_factory.mktemp("browser")
    with served(history.root / ".asv" / "html") as address:
        yield lambda name: look(f"{address}index.html#{name}", folder)


def coloured(page, columns=slice(None)):
    """How many points of the graph are neither grey nor white: lines and bars, no frame, no text."""
    seen = imread(page.picture)[130:660, 270:1250, :3][:, columns]
    return int((seen.max(axis=2) - seen.min(axis=2) > 0.2).sum())


def test_the_index_shows_every_benchmark_and_asks_nobody_else(pages):
    page = pages("/")
    assert all(name in page.text for name in ("Speed.track_train_step", "Memory.track_train_peak", "RunsCosts"))
    assert [host.startswith("127.0.0.1") for host in page.hosts] == [True]


@pytest.mark.parametrize("name", ["planted.Speed.track_train_step", "planted.Accuracy.track_error"])
def test_a_graph_is_drawn(pages, name):
    page = pages(name)
    assert all(f"cell-{cell}" in page.text for cell in GRID["cells"])
    assert coloured(page) > 1500
    assert len(page.hosts) == 1


def test_the_regressions_are_listed_with_their_commits(history, pages):
    page = pages("/regressions")
    assert all(f'href="commits.html#{history.commits[k][:8]}"' in page.text for k in (1, 3, 4))
    assert len(page.hosts) == 1


def test_bars_of_two_series_stand_over_the_names_of_cells(pages):
    page = pages("planted.Sizes.track_parameters?x-axis=cell")
    quarters = [coloured(page, slice(start, start + 245)) for start in (0, 245, 490, 735)]
    assert min(quarters) > 3000


def test_a_failing_benchmark_fails_the_gate_and_one_without_a_figure_too(history):
    history.git("checkout", "--quiet", "-b", "broken")
    try:
        broken = history.commit(
            "Lose lstm, break gru",
            ('    "lstm"', '    "elman"'),
            ('"error": 0.05}', '"error": None}'),
            ('"seconds": 3.9e-3', '"seconds": None'),
        )
        assert history.harness("track", "run").returncode == 2
        code, where, rows = found(history, "--since", "main")
        _, _, longer = found(history, "--since", history.commits[0])
    finally:
        history.git("checkout", "--quiet", "main")
    lost = [f"{n}(lstm)" for n in ("Accuracy.track_error", "Memory.track_train_peak", "Speed.track_train_step")]
    lost += ["Sizes.track_parameters(lstm, numpy)", "Sizes.track_parameters(lstm, torch)"]
    assert code == 1
    assert {commit for _, commit in where} == {broken}
    assert {(row["kind"], row["benchmark"]) for row in rows} == {
        ("failed", "planted.Accuracy.track_error(gru)"),
        ("failed", "planted.Speed.track_train_step(gru)"),
        *(("gone", f"planted.{name}") for name in lost),
    }
    kinds = {row["kind"] for row in longer if row["benchmark"] == "planted.Speed.track_train_step(gru)"}
    assert kinds == {"worse", "failed"}, "what was slow before it failed"


def test_axes_grow_at_their_end_only(history):
    path = history.root / "benchmarks" / "grid.json"
    kept = path.read_text()
    try:
        done = history.harness("track", "grid", "cells", "lstm[forget_bias=1]", "gru", "--json")
        assert json.loads(done.stdout)["axes"]["cells"] == [*GRID["cells"], "lstm[forget_bias=1]"]
        unknown = history.harness("track", "grid", "cells", "lstn")
        assert unknown.returncode == 2
        assert "did you mean 'lstm'" in unknown.stderr
        many = history.harness("track", "grid", "cells", *(f"lstm[forget_bias={k}]" for k in range(2, 6)))
        assert "wanted at most 8 cells" in many.stderr
    finally:
        path.write_text(kept)


@pytest.mark.parametrize("text", ['{"cells": ["rnn"', '{"cells": "rnn"}', "[]", None])
def test_axes_that_are_none_are_said_before_asv_trips_over_them(history, text):
    path = history.root / "benchmarks" / "grid.json"
    kept = path.read_text()
    path.write_text(text) if text else path.unlink()
    try:
        done = history.harness("track", "run")
    finally:
        path.write_text(kept)
    assert done.returncode == 2
    assert "wanted the axes of the suite" in done.stderr
    assert "hint: git checkout benchmarks/grid.json" in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_benchmarks_are_chosen_without_a_range_and_by_either_spelling(history):
    done = history.harness("track", "run", "--bench=nothing")
    assert "+ asv run 'HEAD^!' --record-samples --skip-existing-successful --bench=nothing\n" in done.stderr
    assert done.returncode == 1


def test_a_port_that_is_taken_is_said_before_pages_are_drawn(history):
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        done = history.harness("dashboard", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "hint: harness dashboard" in done.stderr
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said", "mended"),
    [
        (["check", "--since", "nowhere"], "wanted a revision", "git log"),
        (["check", "--since", "HEAD"], "wanted results of commits after HEAD", "harness track run"),
        (["run", "nowhere..HEAD"], "wanted a range of commits", "HEAD^!"),
        (["import", "nowhere"], "wanted a run in results", "harness run"),
    ],
)
def test_a_users_mistake_is_one_line_and_what_mends_it(history, arguments, said, mended):
    done = history.harness("track", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert mended in done.stderr
    assert len(done.stderr.splitlines()) == 2
    assert not done.stdout


def test_a_repository_without_a_commit_and_a_folder_without_a_suite_are_said(tmp_path, command):
    made = History(tmp_path / "repository")
    done = made.harness("track", "run")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 2)
    assert "wanted a commit" in done.stderr
    elsewhere = command("track", "run")
    assert elsewhere.returncode == 2
    assert "wanted asv.conf.json" in elsewhere.stderr


def test_a_missing_asv_is_said(history):
    (history.root / "home" / "asv.py").write_text("raise ImportError('none')")
    try:
        path = os.pathsep.join([str(history.root / "home"), *filter(None, sys.path)])
        done = history.harness("dashboard", PYTHONPATH=path)
    finally:
        (history.root / "home" / "asv.py").unlink()
    assert done.returncode == 2
    assert "pip install 'asv" in done.stderr
    assert len(done.stderr.splitlines()) == 2
