"""The tracked suite itself: its clock, scales and training on real layers, and the axes under the figures kept."""

import importlib
import importlib.util
import itertools
import json
import math
import sys

import pytest
import torch

from history import ROOT

KEPT = ROOT / "results" / "asv"
AXES = {"cell": "cells", "backend": "backends", "shape": "shapes", "task": "tasks"}


@pytest.fixture(scope="module")
def suite():
    """Imports a module of `benchmarks/` as asv does: by its folder, under no name that is installed."""
    folder = ROOT / "benchmarks"
    spec = importlib.util.spec_from_file_location(
        "tracked", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    sys.modules["tracked"] = importlib.util.module_from_spec(spec)
    threads = torch.get_num_threads()
    yield lambda name: importlib.import_module(f"tracked.{name}")
    torch.set_num_threads(threads)
    for name in [name for name in sys.modules if name.partition(".")[0] == "tracked"]:
        del sys.modules[name]


@pytest.fixture
def few_steps(suite, monkeypatch):
    """Trainings of three steps."""
    monkeypatch.setattr(suite("learner"), "STEPS", 3)


def test_a_step_is_timed_often_enough_for_an_interval(suite):
    speed = suite("speed").Speed()
    speed.setup("lstm", "torch", "B1 T100 H128 I2")
    for work in (speed.track_forward, speed.track_train_step):
        samples = work()["samples"]
        assert len(samples) >= 8
        assert all(0 < each < 1 for each in samples)


def test_memory_is_weighed_to_the_byte_and_parameters_are_counted(suite):
    memory = suite("memory").Memory()
    memory.setup("rnn", "numpy", "B32 T40 H64 I2")
    weighed = {memory.track_train_peak() for _ in range(3)}
    assert len(weighed) == 1
    assert weighed.pop() > 4 * 32 * 40 * 64, "less than the outputs alone"
    assert memory.track_parameters() == 4 * (64 * 2 + 64 * 64 + 2 * 64)


def test_an_error_belongs_to_its_seed(suite, few_steps):
    learner, layers = suite("learner"), suite("layers")
    errors = [
        learner.error(layers.layer_of("gru", "numpy", inputs=2, hidden=learner.HIDDEN, seed=seed), seed)
        for seed in (0, 1, 0)
    ]
    assert errors[0] == errors[2] != errors[1]


def test_an_error_has_a_sample_for_each_of_eight_seeds_or_fails_and_is_never_infinite(suite, few_steps):
    accuracy = suite("accuracy").Accuracy()
    accuracy.setup("lstm", "torch")
    assert len(accuracy.track_error()["samples"]) >= 8
    with torch.no_grad():
        next(accuracy.layers[3].parameters()).fill_(math.inf)
    assert accuracy.track_error() is None


def test_a_training_learns_in_its_budget(suite):
    learner = suite("learner")
    layer = suite("layers").layer_of("gru", "torch", inputs=2, hidden=learner.HIDDEN)
    assert learner.error(layer, 0) < 0.05


@pytest.mark.parametrize("pair", [("nothing", "torch"), ("lstm", "nothing")])
def test_what_is_not_there_is_a_gap(suite, pair):
    with pytest.raises(NotImplementedError):
        suite("layers").layer_of(*pair, inputs=2, hidden=4)


def kept():
    return [json.loads(file.read_text()) for file in KEPT.glob("*/*-*.json")]


def test_the_axes_begin_with_all_names_that_have_figures(suite):
    axes = json.loads((ROOT / "benchmarks" / "grid.json").read_text())
    declared = json.loads((KEPT / "benchmarks.json").read_text())
    del declared["version"]
    measured = {(name, json.dumps(row[1])) for commit in kept() for name, row in commit["results"].items()}
    assert measured
    for name, params in measured:
        for axis, names in zip(declared[name]["param_names"], json.loads(params), strict=True):
            before = [each.strip("'") for each in names]
            assert axes[AXES[axis]][: len(before)] == before, "benchmarks/grid.json only grows at its ends"


def test_what_is_kept_belongs_to_the_suite_as_it_is(suite):
    declared = json.loads((KEPT / "benchmarks.json").read_text())
    names = ("speed.Speed", "memory.Memory", "accuracy.Accuracy", "runs.RunsAccuracy", "runs.RunsCosts")
    for module, name in (each.split(".") for each in names):
        tracked = getattr(suite(module), name)
        for method in (each for each in dir(tracked) if each.startswith("track_")):
            entry = declared.pop(f"{module}.{name}.{method}")
            unit = getattr(getattr(tracked, method), "unit", None) or tracked.unit
            assert (entry["version"], entry["unit"]) == (tracked.version, unit)
            assert entry["params"] == [[repr(each) for each in axis] for axis in tracked.params]
    assert set(declared) == {"version"}


def test_no_figure_that_is_kept_is_infinite():
    """Of one, `asv publish` takes all memory. The ends of asv's intervals are infinite where the samples are few."""
    for commit in kept():
        for row in (dict(zip(commit["result_columns"], row, strict=False)) for row in commit["results"].values()):
            samples = itertools.chain(*filter(None, row.get("samples") or []))
            assert not any(map(math.isinf, filter(None, [*(row["result"] or []), *samples])))
