"""How memory grows with T, B and H: as counted by hand, as predicted elsewhere, and not told where nobody can know.

What a layer keeps for backward is counted from its file (numpy), and from what autograd saves of a step (eager).
"""

import json
import subprocess
import sys

import numpy as np
import pytest

from harness.isolation.client import environment
from harness.report.costs import numbers_told
from harness.report.scaling import FEWEST_SIZES, TERMS, growth

BY_HAND = {"rnn@numpy": 1, "lstm@numpy": 6, "rnn@eager": 2}
"""Numbers for each T·B·H."""
ELSEWHERE = [(33, 21, 48), (17, 40, 72)]
"""T, B and H that no trial at T = 32, B = 24, H = 48 weighs."""

ASK = """
import json, os, sys
from pathlib import Path
from harness import plugins
from harness.bench.balance import kept_for_backward
from harness.bench.scales import scales_of
from harness.isolation.server import preload
from harness.measures import Context, measure
from harness.measures.step import build_step
from harness.settings import LayerShape
from harness.trial import Subject, Trial
from dataclasses import replace

folder, pairs, elsewhere = Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3])
preload()
catalog = plugins.load()
for pair in pairs:
    pid = os.fork()
    if pid == 0:
        try:
            cell, backend = pair.split("@")
            shape = LayerShape(length=32, batch=24, hidden=48, inputs=2)
            subject = Subject.of(catalog.cells[cell].value)
            trial = Trial(measure="memory", cell=subject, backend=backend, dtype="float64", shape=shape)
            answer, rows = measure(trial, Context(catalog=catalog, folder=folder)), []
            for T, B, H in elsewhere:
                size = replace(trial, shape=LayerShape(length=T, batch=B, hidden=H, inputs=2))
                step = build_step(size, (subject, backend), catalog)
                step.train()
                rows.append([T, B, H, kept_for_backward(step, scales_of("cpu", folder))])
            plain = {"fitted": answer.arrays["scaling"].tolist(), "elsewhere": rows}
            (folder / f"{pair}.json").write_text(json.dumps(plain), "utf-8")
        finally:
            sys.stderr.flush()
            os._exit(0)
    os.waitpid(pid, 0)
"""


@pytest.fixture(scope="module")
def weighed(tmp_path_factory):
    """By pair: the sizes of a memory trial in float64, and other sizes, weighed in the same process."""
    folder = tmp_path_factory.mktemp("scaling")
    command = [sys.executable, "-c", ASK, str(folder), json.dumps(list(BY_HAND)), json.dumps(ELSEWHERE)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(1))
    found = {pair: folder / f"{pair}.json" for pair in BY_HAND}
    assert all(path.exists() for path in found.values()), done.stderr
    return {pair: json.loads(path.read_text("utf-8")) for pair, path in found.items()}


@pytest.mark.parametrize("pair", BY_HAND)
def test_numbers_kept_are_those_counted_by_hand(weighed, pair):
    found = growth(np.array(weighed[pair]["fitted"]), itemsize=8)
    assert found.numbers["TBH"] == pytest.approx(BY_HAND[pair], abs=0.01)
    assert found.errors["TBH"] < 0.01


@pytest.mark.parametrize("pair", BY_HAND)
def test_what_is_kept_at_sizes_that_were_not_fitted_is_predicted_to_a_hundredth(weighed, pair):
    found = growth(np.array(weighed[pair]["fitted"]), itemsize=8)
    assert found.prediction < 0.01
    for T, B, H, kept in weighed[pair]["elsewhere"]:
        assert [T, B, H] not in [row[:3] for row in weighed[pair]["fitted"]]
        assert 8 * found.kept(T, B, H) == pytest.approx(kept, rel=0.01)


SIZES = np.array([(16, 12, 64), (16, 12, 32), (8, 12, 32), (16, 6, 32), (16, 12, 16), (32, 12, 32), (16, 24, 32)])
SIZES = np.concatenate([SIZES, [(32, 24, 32), (32, 24, 64)]])


def planted(sizes=SIZES, noise=0.0, **numbers):
    T, B, H = sizes.T
    terms = {"TBH": T * B * H, "TB": T * B, "BH": B * H, "HH": H * H, "T": T, "C": np.ones_like(T)}
    kept = 4 * sum(count * terms[name] for name, count in numbers.items())
    wrong = 1 + noise * np.random.default_rng(1).standard_normal(len(sizes))
    return np.column_stack([sizes, np.round(kept * wrong)]).astype(np.int64)


@pytest.mark.parametrize("numbers", [{"TBH": 5, "HH": 4}, {"TBH": 3, "TB": 7, "C": 900}, {"TBH": 7, "BH": -1, "T": 50}])
def test_planted_growth_is_recovered_and_nothing_else_is_told(numbers):
    found = growth(planted(**numbers), itemsize=4)
    assert {name.replace("C", "1") for name in numbers} == set(found.numbers)
    for name, count in numbers.items():
        assert found.numbers[name.replace("C", "1")] == pytest.approx(count, rel=0.01)
    assert found.residual < 1e-3
    assert found.prediction < 1e-3


def test_a_term_within_its_own_error_is_not_told():
    found = growth(planted(noise=0.01, TBH=5, TB=1), itemsize=4)
    assert set(found.numbers) < set(TERMS)
    assert found.numbers["TBH"] == pytest.approx(5, abs=3 * found.errors["TBH"])
    assert found.errors["TBH"] > 0.01
    assert all(abs(found.numbers[name]) > found.errors[name] for name in found.numbers)


def test_a_layer_that_keeps_nothing_by_its_size_has_no_numbers_per_tbh():
    assert "TBH" not in growth(planted(C=1000), itemsize=4).numbers


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_sizes_that_do_not_tell_the_terms_apart_are_not_fitted(axis):
    flat = SIZES.copy()
    flat[:, axis] = 1
    assert growth(planted(flat, TBH=5, HH=4, C=100), itemsize=4) is None


def test_too_few_sizes_are_not_fitted():
    assert growth(planted(TBH=5, HH=4)[-FEWEST_SIZES + 1 :], itemsize=4) is None


def test_numbers_are_told_as_exactly_as_they_are_known():
    told = [numbers_told(*figures) for figures in ((6.0, 1e-9), (16.41, 0.26), (6.957, 0.011), (np.nan, np.nan))]
    assert told == ["6.00", "16.4±0.3", "6.96±0.01", "–"]
