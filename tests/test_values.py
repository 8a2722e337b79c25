"""Spellings, options, seeds, trials: the values everything is made of."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import canonical, seeds
from harness.errors import HarnessError
from harness.options import configure
from harness.settings import LayerShape, ModelSettings, TrainingSettings, parse_shape
from harness.spelling import Spelling, parse, parse_scalar, scalar_text, split_list
from harness.trial import Subject, Trial

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.from_regex(r"[g-m][a-m_]{0,8}", fullmatch=True),
)
names = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


options = st.dictionaries(names, scalars, max_size=3)
backends = st.builds(lambda name, options: str(Spelling(name, options)), names, options)


@given(names, options, st.none() | backends)
def test_a_spelling_is_read_back_as_it_was_written(name, options, backend):
    read = parse(str(Spelling(name, options, backend)))
    assert (read.name, dict(read.options), read.backend) == (name, options, backend)


@given(scalars)
def test_a_scalar_is_read_back_with_an_equal_value(value):
    assert parse_scalar(scalar_text(value)) == value


@given(st.text(max_size=30))
def test_any_text_is_a_spelling_or_a_clear_error(text):
    try:
        assert parse(text).name
    except HarnessError as error:
        assert "wanted" in error.message


def test_lists_split_outside_brackets_only():
    assert split_list("lstm[a=1,b=2]@torch, gru,") == ["lstm[a=1,b=2]@torch", "gru"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"hiden": 3}, "did you mean 'hidden'"),
        ({"hidden": 1.5}, "a whole number"),
        ({"hidden": True}, "a whole number"),
    ],
)
def test_a_wrong_option_is_refused_in_words(options, said):
    with pytest.raises(HarnessError) as caught:
        configure(ModelSettings(), options, kind="model")
    assert said in str(caught.value)


def test_a_whole_number_passes_where_a_number_is_wanted():
    assert configure(TrainingSettings(), {"learning_rate": 1}, kind="training").learning_rate == 1.0


def test_streams_depend_on_content_and_on_nothing_else():
    first = seeds.stream(1, "train", "adding", 3).random(4)
    seeds.stream(9, "other").random(100)
    assert np.array_equal(first, seeds.stream(1, "train", "adding", 3).random(4))
    others = [(2, "train", "adding", 3), (1, "test", "adding", 3), (1, "train", "copy", 3), (1, "train", "adding", 4)]
    assert all(not np.array_equal(first, seeds.stream(*other).random(4)) for other in others)


def _trial(catalog, **changes):
    values = {
        "measure": "accuracy",
        "cell": Subject.of(catalog.cell(parse("lstm[forget_bias=1]"))),
        "backend": "torch",
        "task": Subject.of(catalog.task(parse("adding[length=7]"))),
        "model": ModelSettings(),
        "training": TrainingSettings(),
        "seed": 3,
    }
    return Trial(**(values | changes))


def test_a_trial_is_read_back_with_the_same_id(catalog):
    trial = _trial(catalog)
    assert Trial.from_plain(canonical.loads(canonical.dumps(trial.to_plain()))) == trial


def test_every_part_of_the_question_is_in_the_id(catalog):
    ids = {
        _trial(catalog).id,
        _trial(catalog, seed=4).id,
        _trial(catalog, backend="eager").id,
        _trial(catalog, cell=Subject.of(catalog.cell(parse("lstm")))).id,
        _trial(catalog, task=Subject.of(catalog.task(parse("adding[length=8]")))).id,
        _trial(catalog, training=TrainingSettings(steps=2)).id,
        _trial(catalog, model=ModelSettings(hidden=2)).id,
        _trial(catalog, dtype="float64").id,
    }
    assert len(ids) == 8


def test_an_absent_field_is_not_part_of_the_question(catalog):
    cell = Subject.of(catalog.cell(parse("rnn")))
    plain = Trial(measure="memory", cell=cell, backend="torch", shape=LayerShape(batch=1, length=2, hidden=3, inputs=4))
    assert "seed" not in plain.to_plain()
    assert "task" not in plain.to_plain()


@given(st.recursive(scalars | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=8))
def test_canonical_text_survives_every_float(value):
    text = canonical.dumps(value)
    assert canonical.dumps(canonical.loads(text)) == text


@pytest.mark.parametrize("text", ["B2 T3 H4 I5", "i5,h4,T3,B2", "B=2, T = 3, H4 I5"])
def test_a_shape_is_read_in_any_order(text):
    assert str(parse_shape(text)) == "B2 T3 H4 I5"


@pytest.mark.parametrize(
    "text", ["", "B2,T3,H4", "B2.5,T3,H4,I5", "B2,T3,H4,I5;", "B-2,T3,H4,I5", "B2,T3,H4,I5,B2", "B2x,T3,H4,I5"]
)
def test_what_is_no_shape_is_refused_and_not_read_in_part(text):
    with pytest.raises(HarnessError, match="wanted a shape like"):
        parse_shape(text)
