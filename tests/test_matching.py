"""Fair sizes: cells of a section have as many parameters, or as much state, as the reference; tables say so."""

import io
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from harness import About, Cell, store
from harness.backend import LayerPlan
from harness.description import Planned
from harness.errors import HarnessError
from harness.grid import parse_grid
from harness.matching import Matcher, nearest
from harness.planning import plan
from harness.report.sections import sections
from harness.report.tables import all_tables
from harness.report.terminal import print_report
from harness.selection import Selection, select
from harness.settings import LayerShape, ModelSettings
from harness.sizes import layers_of_model, layers_of_shape
from harness.spelling import parse

GRID = {
    "cells": ["rnn", "gru", "lstm"],
    "backends": ["torch"],
    "order": ["torch"],
    "versus": ["torch"],
    "match": "parameters",
    "reference": "lstm",
    "accuracy": [
        {"task": "adding[length=40]", "match": "hidden", "model": {"hidden": 64}},
        {"task": "adding[length=40]", "model": {"hidden": [64, 128]}},
    ],
    "speed": [{"shape": {"batch": 2, "length": 3, "hidden": 64, "inputs": 2}}],
    "memory": [{"shape": {"batch": 2, "length": 3, "hidden": 64, "inputs": 2}}],
}


def planned(catalog, **flags):
    return plan(select(parse_grid("fair", GRID), Selection(**flags)), catalog)


def hidden(trials):
    return {str(trial.cell): trial.hidden for trial in trials}


@pytest.fixture
def view(catalog, tmp_path):
    """The plan as a run that has not asked anything yet, written and read back."""
    made = planned(catalog, seeds=1)
    with store.Results(tmp_path / "results") as results:
        writer = store.RunWriter(results.new_run("fair"))
        entries = [Planned(trial=t, basis="b", matches=made.matches.get(t.id, ())) for t in made.trials]
        writer.describe({"grid": {"name": "fair"}, "facts": {}}, entries, ())
        writer.close()
    return store.read_run(tmp_path / "results")


@given(st.lists(st.integers(1, 50), min_size=1, max_size=60), st.integers(1, 1500))
def test_no_hidden_size_is_nearer_than_the_one_taken(steps, wanted):
    sizes = [sum(steps[: H + 1]) for H in range(len(steps))]

    def size(H):
        return sizes[H - 1] if len(sizes) >= H else sizes[-1] + 60 * (H - len(sizes))

    solved = nearest(size, wanted)
    assert abs(size(solved) - wanted) == min(abs(size(H) - wanted) for H in range(1, 200))


@pytest.mark.parametrize("by", ["parameters", "state"])
@pytest.mark.parametrize(("H", "bound"), [(64, 1 / 74), (128, 0.01), (256, 0.01), (512, 0.01)])
def test_shipped_cells_match_lstm_within_one_percent_or_half_a_step(catalog, by, H, bound):
    lstm = catalog.cell(parse("lstm"))
    matcher = Matcher(by=by, reference=lstm, name="lstm")
    for I in (1, 2, 12, 64):
        for entry in catalog.cells.values():
            shape = LayerShape(batch=1, length=1, hidden=H, inputs=I)
            own, match = matcher.shape(entry.value, shape)
            assert abs(match.residual) <= bound
            assert match.wanted == getattr(layers_of_shape(shape), {"state": "states"}.get(by, by))(lstm)
            assert match.found == getattr(layers_of_shape(own), {"state": "states"}.get(by, by))(entry.value)


@pytest.mark.parametrize("task", ["adding", "copy_memory", "addition"])
@pytest.mark.parametrize(
    "model",
    [
        ModelSettings(hidden=5, embedding=3),
        ModelSettings(hidden=4, embedding=6, layers=3),
        ModelSettings(hidden=4, embedding=3, layers=2, bidirectional=True),
        ModelSettings(hidden=4, embedding=3, bidirectional=True, attention=True),
    ],
)
def test_the_layers_that_are_matched_are_those_the_model_builds(catalog, task, model):
    from harness.model import LayerBuilder, build_model

    cell, problem = catalog.cell(parse("lstm")), catalog.task(parse(task)).problem()
    layers = LayerPlan(inputs=0, hidden=model.hidden)
    built = build_model(LayerBuilder(cell, catalog.backend("eager"), layers, 0), problem, model)
    names = [(name, p.numel()) for name, p in built.named_parameters() if name.startswith(("layers.", "decoder."))]
    assert layers_of_model(model, problem).parameters(cell) == sum(count for _, count in names)


def test_a_matched_trial_is_the_question_its_hidden_size_asks(catalog):
    matched = planned(catalog, seeds=1)
    gru = next(t for t in matched.of("accuracy") if str(t.cell) == "gru" and t.hidden == 74)
    plain = planned(catalog, seeds=1, match="hidden", sets=("model.hidden=74",))
    assert gru in plain.trials
    assert not plain.matches
    match = matched.matches[gru.id][0]
    assert (match.by, match.reference, match.hidden) == ("parameters", "lstm", 64)


def test_a_section_may_match_otherwise_than_its_grid_and_the_flag_overrides_both(catalog):
    accuracy = planned(catalog, seeds=1).of("accuracy")
    assert hidden(accuracy[:3]) == {"rnn": 64, "gru": 64, "lstm": 64}
    assert hidden(accuracy[3:]) == {"rnn": 258, "gru": 148, "lstm": 128}
    speed = planned(catalog, match="state").of("speed")
    assert hidden(speed) == {"rnn": 128, "gru": 128, "lstm": 64}
    assert hidden(planned(catalog, match="state", seeds=1).of("accuracy")[:3]) == {"rnn": 128, "gru": 128, "lstm": 64}


def test_the_reference_is_the_first_cell_unless_named_and_need_not_run(catalog):
    assert hidden(planned(catalog, cells="gru,rnn").of("speed"))["gru"] == 74
    grid = replace(select(parse_grid("fair", GRID), Selection(cells="gru,rnn")), reference=None)
    assert hidden(plan(grid, catalog).of("speed")) == {"gru": 64, "rnn": 112}
    assert hidden(planned(catalog, reference="rnn", match="state").of("speed"))["lstm"] == 32


def test_a_cell_that_does_not_grow_with_h_is_refused_in_words():
    @dataclass(frozen=True)
    class Constant(Cell):
        about = About(name="constant", title="")

        def parameters(self, I, H):
            return {"weight": (7,)}

        def step(self, ops, p, x, state):
            return state

    @dataclass(frozen=True)
    class Square(Constant):
        def parameters(self, I, H):
            return {"weight": (H, H)}

    shape = LayerShape(batch=1, length=1, hidden=9, inputs=1)
    with pytest.raises(HarnessError, match="constant cannot be matched to square by parameters: with H = "):
        Matcher(by="parameters", reference=Square(), name="square").shape(Constant(), shape)


def test_trials_that_differ_in_hidden_only_by_matching_share_a_section_and_say_so(view):
    found = {section.task: {group.cell: group.trial.hidden for group in section.groups} for section in sections(view)}
    assert found == {
        "adding[length=40]": {"rnn": 64, "gru": 64, "lstm": 64},
        "adding[length=40] (as many parameters as lstm at H64)": {"lstm": 64, "rnn": 130, "gru": 74},
        "adding[length=40] (as many parameters as lstm at H128)": {"rnn": 258, "gru": 148, "lstm": 128},
    }
    tables = all_tables(view)
    for name in ("speed", "memory"):
        assert set(tables[name]["shape"]) == {"B2 T3 I2, as many parameters as lstm at H64"}
        assert dict(zip(tables[name]["cell"], tables[name]["hidden"], strict=True)) == {
            "rnn": 130,
            "gru": 74,
            "lstm": 64,
        }
    for name in ("accuracy", "speed", "memory"):
        assert {"hidden", "parameters", "state_bytes", "flops_per_step", "matched", "residual"} <= {*tables[name]}
    assert list(tables["accuracy"]["matched"])[2:4] == ["hidden", "as many parameters as lstm at H64"]
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_report(view, console)
    printed = " ".join(console.file.getvalue().split())
    assert printed.count("H is the same for all cells") == 1
    assert printed.count("Every cell has as many parameters as lstm at H") == 4
    assert printed.count("H64, at the nearest H, to within 0.53 %") == 3


def test_plan_prints_what_was_solved_for(command):
    done = command("plan", "--match", "parameters", "--reference", "lstm", "--seeds", "1", "--measures", "speed")
    assert "matched: gru at H74 (B32 T40 H74 I2) has 17,316 parameters, -0.53 % against lstm at H64" in done.stdout


def test_a_backend_that_takes_the_place_of_another_keeps_the_match(command, grid, swapped_file, tmp_path):
    flags = ("--match", "parameters", "--cells", "rnn,lstm", "--backends", "swapped,torch", "--seeds", "1")
    assert command("run", "--grid", "small.toml", "--plugin", str(swapped_file), *flags).returncode == 1
    view = store.read_run(tmp_path / "results")
    lstm = {t.backend: view.places(t) for t in view.planned if t.measure == "accuracy" and str(t.cell) == "lstm"}
    assert lstm["torch"] == lstm["swapped"]
    assert lstm["torch"][0].reference == "rnn"
