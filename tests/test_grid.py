"""Grids, flags and plans: the same words always ask the same questions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.differences import fewest_seeds
from harness.errors import HarnessError
from harness.grid import load_grid, parse_grid, shipped_grids
from harness.planning import gates_of, plan
from harness.selection import Selection, select


def _plan(catalog, grid="quick", **flags):
    return plan(select(load_grid(grid), Selection(**flags)), catalog)


def test_shipped_grids_plan(catalog):
    for name in shipped_grids():
        assert _plan(catalog, name).trials


def test_the_quick_grid_is_four_cells_and_three_tasks_with_every_gate(catalog):
    planned = _plan(catalog)
    accuracy = planned.of("accuracy")
    assert {str(t.cell) for t in accuracy} == {"rnn", "lstm", "lstm[forget_bias=1]", "gru", "gru_reset_before"}
    assert {t.task.name for t in accuracy} == {"adding", "copy_memory", "g2p"}
    gates = {t.id for t in planned.of("conformance")}
    assert {gate.id for t in planned.of("accuracy", "speed", "memory") for gate in gates_of(t)} == gates
    assert any("gru_reset_before@torch" in sentence for sentence in planned.impossible)


@pytest.mark.parametrize("task", ["adding", "copy_memory"])
def test_the_quick_grid_has_seeds_enough_to_tell_its_cells_apart(task, catalog):
    trainings = [trial for trial in _plan(catalog).of("accuracy") if trial.task.name == task]
    cells = {str(trial.cell) for trial in trainings}
    assert len(trainings) / len(cells) >= fewest_seeds(math.comb(len(cells), 2))


def test_ids_are_stable_and_unique(catalog):
    first, second = _plan(catalog), _plan(catalog)
    assert [t.id for t in first.trials] == [t.id for t in second.trials]
    assert len({t.id for t in first.trials}) == len(first.trials)


def test_auto_takes_the_first_backend_that_can(catalog):
    planned = _plan(catalog, backends="eager,numpy,torch")
    backends = {str(t.cell): t.backend for t in planned.of("accuracy")}
    assert backends["gru"] == "torch"
    assert backends["gru_reset_before"] == "numpy"


def test_a_backend_has_options_of_its_own(catalog):
    planned = _plan(catalog, cells="lstm@fused[recompute=8],lstm@fused[recompute=none]", tasks="adding", seeds=1)
    assert {t.pair for t in planned.of("memory")} == {"lstm@fused[recompute=8]", "lstm@fused"}
    assert _plan(catalog, backends="fused[recompute=8],numpy").of("accuracy")[0].backend == "fused[recompute=8]"
    for wrong, found in (("fused[recompute=0]", "found 0"), ("fused[recomput=1]", "recompute")):
        with pytest.raises(HarnessError, match=found):
            _plan(catalog, cells=f"lstm@{wrong}")


def test_flags_narrow_and_change_the_grid(catalog):
    planned = _plan(
        catalog,
        cells="lstm@torch,gru",
        tasks="adding[length=9]",
        measures="accuracy",
        seeds=2,
        sets=("training.learning_rate=0.1,0.2", "model.hidden=5", "cell.lstm.forget_bias=2"),
        accuracy_on="all",
        backends="torch,numpy,eager",
    )
    accuracy = planned.of("accuracy")
    assert {t.pair for t in accuracy} == {"lstm[forget_bias=2]@torch", "gru@torch", "gru@numpy", "gru@eager"}
    assert {t.training.learning_rate for t in accuracy} == {0.1, 0.2}
    assert {str(t.task) for t in accuracy} == {"adding[length=9]"}
    assert {t.model.hidden for t in accuracy} == {5}
    assert len(accuracy) == 4 * 2 * 2


def test_the_variant_of_a_section_goes_with_its_cell(catalog):
    assert not any("forget_bias" in str(t.cell) for t in _plan(catalog, cells="gru").trials)


def test_other_dtypes_are_for_speed_and_memory_only(catalog):
    planned = _plan(catalog, dtype="float64")
    assert {t.dtype for t in planned.of("accuracy")} == {"float32"}
    assert {t.dtype for t in planned.of("speed", "memory")} == {"float64"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"cells": "lstn"}, "did you mean 'lstm'"),
        ({"cells": "lstm[forget_bais=1]"}, "did you mean 'forget_bias'"),
        ({"cells": "lstm[forget_bias=x]"}, "a number or none"),
        ({"cells": "lstm["}, "wanted name"),
        ({"tasks": "adin"}, "did you mean 'adding'"),
        ({"tasks": "adding[length=1]"}, "at least 2"),
        ({"backends": "nunpy"}, "did you mean 'numpy'"),
        ({"measures": "sped"}, "did you mean 'speed'"),
        ({"accuracy_on": "tosch"}, "did you mean 'torch'"),
        ({"device": "gpu"}, "wanted a device"),
        ({"dtype": "float31"}, "wanted a dtype"),
        ({"seeds": 0}, "at least 1 seed"),
        ({"timeout": -1.0}, "above 0"),
        ({"sets": ("training.learning_rat=1",)}, "did you mean 'learning_rate'"),
        ({"sets": ("training.steps=0",)}, "above 0"),
        ({"sets": ("task.addin.length=3",)}, "did you mean 'adding'"),
        ({"sets": ("nonsense",)}, "PATH=VALUE"),
        ({"sets": ("a.b.c.d=1",)}, "task.NAME.OPTION"),
        ({"cells": "gru_reset_before@torch"}, "torch.nn has no gru_reset_before"),
    ],
)
def test_a_mistake_is_answered_in_words(catalog, flags, said):
    with pytest.raises(HarnessError) as caught:
        _plan(catalog, **flags)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        ({"cels": "all"}, "did you mean 'cells'"),
        ({"accuracy": [{"tsk": "adding"}]}, "did you mean 'task'"),
        ({"accuracy": [{"task": "adding", "training": {"step": 3}}]}, "did you mean 'steps'"),
        ({"accuracy": {"task": "adding"}}, "[[accuracy]]"),
        ({"speed": [{"shape": {"batch": 0}}]}, "above 0"),
        ({"cells": 3}, "a list of words"),
        ({"seeds": "many"}, "a whole number"),
        ({"title": "\x1b[2Jgone"}, "a title of one line"),
    ],
)
def test_a_mistake_in_a_grid_file_is_answered_in_words(plain, said):
    with pytest.raises(HarnessError) as caught:
        parse_grid("mine", plain)
    assert said in str(caught.value)


plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
keys = st.sampled_from(["cells", "backends", "seeds", "accuracy", "speed", "timeout", "order", "title", "measures"])


@given(st.dictionaries(keys, plain_values, max_size=3))
def test_any_plain_data_is_a_grid_or_a_clear_error(plain):
    try:
        parse_grid("any", plain)
    except HarnessError as error:
        assert error.message


def test_a_file_that_is_no_toml_is_said(tmp_path):
    path = tmp_path / "grid.toml"
    path.write_text("cells = [")
    with pytest.raises(HarnessError, match="TOML"):
        load_grid(str(path))


def test_a_shape_is_set_for_speed_and_memory():
    grid = select(load_grid("quick"), Selection(sets=("shape.hidden=128,32",)))
    assert [shape.hidden for shape in grid.speed] == [shape.hidden for shape in grid.memory] == [128, 32]


def test_a_model_option_that_nothing_would_use_is_refused():
    with pytest.raises(HarnessError, match="wanted a measure that has a model") as refused:
        select(load_grid("quick"), Selection(measures="speed,memory", sets=("model.hidden=128",)))
    assert "shape.hidden=128" in refused.value.hint
