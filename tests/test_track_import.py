"""A grid run comes onto its commit's curves: its figures, nobody else's, and only from a clean tree."""

import itertools
import json
import math
import platform
import shutil
from dataclasses import replace
from importlib.metadata import version

import pytest

from harness import store
from harness.errors import HarnessError
from harness.grid import load_grid
from harness.processor import processor
from harness.record import Status
from harness.track.importing import import_run
from harness.track.suite import find
from harness.trial import Trial
from history import History
from recorded import SHAPE, record, speed_trial, subject, values

ADDING, COPY = load_grid("quick").accuracy[:2]
"""The sections of the quick grid whose budget is tracked."""


@pytest.fixture(scope="module")
def history(tmp_path_factory):
    """One commit, its benchmarks known to asv."""
    made = History(tmp_path_factory.mktemp("import") / "repository")
    made.commit("Three cells")
    done = made.harness("track", "run")
    assert done.returncode == 0, done.stderr
    return made


def training(section, cell, seed, **changed):
    (model,), (training,) = section.models, section.trainings
    task = subject(section.task.name, **section.task.options)
    given = {"measure": "accuracy", "cell": subject(cell), "backend": "torch", "task": task}
    return Trial(**{**given, "model": model, "training": training, "seed": seed, **changed})


def answers():
    """Two seeds of an error, one of a score, a training that diverged, a budget of its own, a time and a weight."""
    for seed, error in enumerate((0.02, 0.04)):
        yield record(training(ADDING, "lstm", seed), values(test__mse=error, primary="mse", better="lower"))
    yield record(training(COPY, "gru", 0), values(test__recall=0.75, primary="recall", better="higher"))
    yield record(training(ADDING, "rnn", 0), values(primary="mse", better="lower"), status=Status.DIVERGED)
    yield record(training(ADDING, "gru", 0, backend="numpy"), values(test__mse=0.0, primary="mse", better="lower"))
    other = replace(ADDING.trainings[0], steps=10)
    yield record(training(ADDING, "mgu", 0, training=other), values(test__mse=0.5, primary="mse", better="lower"))
    yield record(speed_trial("lstm", "torch"), values(train_seconds=2e-3))
    yield record(speed_trial("ugrnn", "torch"), values(train_seconds=1e-3))
    weighed = Trial(measure="memory", cell=subject("lstm"), backend="torch", shape=SHAPE)
    yield record(weighed, values(train_peak_bytes=70_000))


def write(history, commit, name="20300101-000000-quick", **facts):
    versions = {"python": platform.python_version(), "torch": version("torch"), "numpy": version("numpy")}
    found = {**processor(), **versions, "commit": commit, **facts}
    with store.Results(history.root / "results") as results:
        writer = store.RunWriter(results.new_run(name))
        rows = list(answers())
        planned = [store.Planned(trial=row.trial, basis=row.basis) for row in rows]
        writer.describe({"grid": {"name": "quick", "title": "t"}, "facts": found}, planned, [])
        for row in rows:
            writer.write(row)
        writer.close()
    return name


def figures(history, benchmark):
    """What asv keeps, by the point of the grid, the gaps left out."""
    stored = json.loads(history.kept(history.commits[0]).read_text())
    row = dict(zip(stored["result_columns"], stored["results"][benchmark], strict=False))
    points = itertools.product(*([name.strip("'") for name in axis] for axis in row["params"]))
    found = dict(zip(points, row["result"] or itertools.repeat(None), strict=False))
    return {point: value for point, value in found.items() if value is None or not math.isnan(value)}


def test_a_run_comes_onto_its_commit_and_again_changes_nothing(history):
    run = write(history, history.commits[0][:7])
    for _ in range(2):
        done = history.harness("track", "import", run)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(f"6 figures of {run} on {history.commits[0][:8]} → results/asv/")
        assert "not tracked: ugrnn, torch, B32 T40 H64 I2" in done.stderr
        errors = figures(history, "runs.RunsAccuracy.track_error")
        assert errors == {
            ("lstm", "adding[length=40]"): pytest.approx(0.03),
            ("gru", "adding[length=40]"): 1e-6,
            ("gru", "copy_memory[alphabet=4,delay=20,symbols=2]"): 0.25,
            ("rnn", "adding[length=40]"): None,
        }
        place = ("lstm", "torch", "B32 T40 H64 I2")
        assert figures(history, "runs.RunsCosts.track_train_step") == {place: 2e-3}
        assert figures(history, "runs.RunsCosts.track_train_peak") == {place: 70_000}
        assert figures(history, "planted.Memory.track_train_peak") == {("rnn",): 1000, ("lstm",): 4000, ("gru",): 3000}


@pytest.mark.parametrize("how", [(), ("--again",)])
def test_measuring_again_leaves_imported_figures_alone(history, how):
    imported = ("runs.RunsAccuracy.track_error", "runs.RunsCosts.track_train_step")
    history.harness("track", "import", write(history, history.commits[0], f"20300102-000000-{len(how)}"))
    before = [figures(history, name) for name in imported]
    assert history.harness("track", "run", *how).returncode == 0
    assert [figures(history, name) for name in imported] == before


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"commit": "HEAD-dirty"}, "found uncommitted changes on HEAD"),
        ({"commit": ""}, "made outside a repository"),
        ({"commit": "0" * 40}, "wanted a revision"),
        ({"torch": "0.1"}, "wanted torch 0.1 to borrow"),
    ],
)
def test_a_run_that_belongs_to_no_commit_or_environment_here_is_refused(history, facts, said):
    run = write(history, **{"commit": "HEAD", "name": f"20300103-000000-{len(said)}", **facts})
    with pytest.raises(HarnessError, match=said):
        import_run(find(history.root), store.read_run(history.root / "results", run))


def test_a_run_comes_to_the_machine_by_the_name_that_asv_knows_it_by(history):
    file = history.root / "home" / ".asv-machine.json"
    kept = file.read_text()
    known = {"machine": "mine", "os": "", "arch": "", "cpu": "", "num_cpu": "", "ram": ""}
    file.write_text(json.dumps({platform.node(): known, "version": 1}))
    try:
        done = history.harness("track", "import", write(history, history.commits[0], "20300104-000000-quick"))
    finally:
        file.write_text(kept)
    assert "→ results/asv/mine/" in done.stdout
    shutil.rmtree(history.root / "results" / "asv" / "mine")
