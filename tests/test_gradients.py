"""How far back a cell hears: exact where the answer is known in closed form, and as the report tells it."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

import harness
from harness import seeds, store
from harness.grid import load_grid, parse_grid
from harness.measures import Context, measure
from harness.measures.accuracy import prepare
from harness.measures.gradients import falls_to, squares_by_lag
from harness.planning import plan
from harness.plugins import Entry, Plugin
from harness.record import Measured, Record, Status
from harness.report.findings import findings
from harness.report.remembering import gradients, gradients_of
from harness.report.sections import sections
from harness.report.writing import write_report
from harness.selection import Selection, select
from harness.settings import ModelSettings, TrainingSettings
from harness.spelling import parse
from harness.trial import Subject, Trial


@dataclass(frozen=True)
class Leaky(harness.Cell):
    """h ← decay · h + W x; and a memory m that nobody reads."""

    about = harness.About(name="leaky", title="a linear cell")
    decay: float = 0.5

    def parameters(self, I, H):
        return {"weight": (H, I)}

    def states(self, I, H):
        return {"h": (H,), "m": (H,)}

    def step(self, ops, p, x, state):
        h, m = state
        drive = x @ p["weight"].T
        return self.decay * h + drive, m + h + drive


@pytest.fixture
def with_leaky(catalog, tmp_path):
    plugin = Plugin(name="leaky", origin="test", path=tmp_path)
    return replace(catalog, cells={**catalog.cells, "leaky": Entry(Leaky(), plugin)})


def _trial(catalog, cell="lstm", **changes):
    values = {
        "measure": "gradients",
        "cell": Subject.of(catalog.cell(parse(cell))),
        "backend": "eager",
        "task": Subject.of(catalog.task(parse("adding[length=30]"))),
        "model": ModelSettings(hidden=64),
        "seed": 0,
    }
    return Trial(**(values | changes))


def _answer(catalog, tmp_path, cell="lstm", **changes):
    return measure(_trial(catalog, cell, **changes), Context(catalog=catalog, folder=tmp_path))


def _value(answer, name):
    return answer.values[name].value


@pytest.mark.parametrize("decay", [0.5, 0.9, 1.0])
def test_a_linear_cell_hears_exactly_the_powers_of_its_decay(with_leaky, tmp_path, decay):
    answer = _answer(with_leaky, tmp_path, f"leaky[decay={decay}]", model=ModelSettings(hidden=3))
    np.testing.assert_allclose(answer.arrays["norm"], decay ** np.arange(30.0), rtol=1e-5)
    assert _value(answer, "lags") == 29
    assert [_value(answer, name) for name in ("parameters", "state_bytes")] == [3 * 2, 4 * 2 * 3]
    wanted = {0.5: 7, 0.9: None, 1.0: None}[decay]
    assert _value(answer, "horizon") == wanted


def test_a_state_that_never_reaches_the_output_hears_nothing(with_leaky, tmp_path):
    answer = _answer(with_leaky, tmp_path, "leaky", model=ModelSettings(hidden=3))
    assert not answer.arrays["norm.m"].any()
    assert np.array_equal(answer.arrays["norm.h"], answer.arrays["norm"])
    assert _value(answer, "horizon.m") == 0


def test_the_norms_are_those_of_the_jacobians(catalog, tmp_path):
    trial = _trial(catalog, "lstm", model=ModelSettings(hidden=4), dtype="float64")
    model, _ = prepare(trial, Context(catalog=catalog, folder=tmp_path))
    model = model.double()
    x = torch.from_numpy(seeds.stream(0, "x").standard_normal((6, 1, 2)))
    found = squares_by_lag(model, x, seeds.stream(0, "direction"))[..., 0]
    direction = seeds.stream(0, "direction").standard_normal((1, 4))
    direction = torch.from_numpy(direction / np.linalg.norm(direction))
    state = None
    for t in range(5):
        _, (state,) = model.layers(x[t : t + 1], [state] if state else None)
        after = x[t + 1 :]

        def last(h, c, after=after):
            return model.layers(after, [(h, c)])[1][0][0]

        jacobians = torch.autograd.functional.jacobian(last, state)
        wanted = [float((direction.reshape(-1) @ j.reshape(4, 4)).square().sum()) for j in jacobians]
        np.testing.assert_allclose(found[5 - t], wanted, rtol=1e-10)
    np.testing.assert_allclose(found[0], [1, 0], atol=1e-15)


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_norms_do_not_depend_on_the_backend(catalog, tmp_path, cell):
    first, *others = [_answer(catalog, tmp_path, cell, backend=name) for name in ("eager", "torch", "numpy")]
    for other in others:
        for name in first.arrays:
            np.testing.assert_allclose(other.arrays[name], first.arrays[name], rtol=1e-4, err_msg=name)


@pytest.mark.parametrize(
    ("cell", "least", "most"),
    [("rnn", 8, 9), ("lstm", 8, 8), ("gru", 9, 10), ("gru_reset_before", 9, 9), ("lstm[forget_bias=1]", 20, 22)],
)
def test_with_torchs_initial_weights_all_cells_forget_alike_and_a_forget_bias_hears_further(
    catalog, tmp_path, cell, least, most
):
    for seed in range(3):
        assert least <= _value(_answer(catalog, tmp_path, cell, seed=seed), "horizon") <= most


def test_training_lets_a_gru_hear_as_far_as_the_task_asks(catalog, tmp_path):
    training = TrainingSettings(learning_rate=2e-2, steps=200, evaluate_every=25, validation=64)
    changes = {"task": Subject.of(catalog.task(parse("adding[length=20]"))), "model": ModelSettings(hidden=32)}
    before = _answer(catalog, tmp_path, "gru", backend="torch", **changes)
    after = _answer(catalog, tmp_path, "gru", backend="torch", training=training, **changes)
    assert _value(before, "horizon") < 12
    assert _value(after, "solved")
    assert _value(after, "horizon") is None


def test_stacked_layers_start_at_one_and_symbols_of_several_lengths_are_heard_too(catalog, tmp_path):
    task = Subject.of(catalog.task(parse("addition")))
    model = ModelSettings(hidden=5, layers=2, embedding=3, dropout=0.5, attention=True)
    answer = _answer(catalog, tmp_path, "lstm", task=task, model=model)
    assert answer.status == Status.OK
    assert answer.arrays["norm"][0] == pytest.approx(1, rel=1e-6)
    assert answer.digest() == _answer(catalog, tmp_path, "lstm", task=task, model=model).digest()


def test_what_has_no_last_step_is_skipped_and_what_diverged_says_so(catalog, tmp_path):
    both = _answer(catalog, tmp_path, model=ModelSettings(hidden=3, bidirectional=True))
    assert both.status == Status.SKIPPED
    training = TrainingSettings(steps=50, evaluate_every=10, learning_rate=1e30, clip=None, validation=8, test=8)
    answer = _answer(catalog, tmp_path, "gru", model=ModelSettings(hidden=3), training=training)
    assert answer.status == Status.DIVERGED
    assert "at step" in answer.reason
    assert not answer.arrays


def test_a_horizon_is_where_the_norm_falls_for_good():
    assert falls_to(np.array([1, 0.5, 0.2]), 0.5) == 1
    assert falls_to(np.array([1, 0.1, 0.9, 0.1]), 0.5) == 3
    assert falls_to(np.array([0.0, 0.0]), 0.5) == 0
    assert falls_to(np.array([1.0, 0.6]), 0.5) is None


def _plan(catalog, **flags):
    return plan(select(load_grid("quick"), Selection(**flags)), catalog)


def test_the_quick_grid_asks_before_and_after_training_of_every_cell(catalog):
    asked = _plan(catalog).of("gradients")
    cells = {"rnn", "lstm", "gru", "gru_reset_before", "lstm[forget_bias=1]"}
    assert {(str(t.cell), t.training is None) for t in asked} == {
        (cell, now) for cell in cells for now in (True, False)
    }
    assert {t.seed for t in asked} == {0, 1, 2}
    for trial in asked:
        assert Trial.from_plain(trial.to_plain()).id == trial.id
    assert any("at initialisation" in str(trial) for trial in asked)


def test_flags_reach_the_gradients_too(catalog):
    asked = _plan(catalog, measures="gradients", cells="gru", sets=("model.hidden=7", "task.adding.length=9"), seeds=2)
    assert {(str(t.task), t.model.hidden, t.seed) for t in asked.of("gradients")} == {
        ("adding[length=9]", 7, 0),
        ("adding[length=9]", 7, 1),
    }
    elsewhere = _plan(catalog, measures="gradients", cells="gru", tasks="copy_memory").of("gradients")
    assert {(t.task.name, t.training) for t in elsewhere} == {("copy_memory", None)}
    assert not _plan(catalog, cells="gru", tasks="copy_memory").of("gradients")


def test_without_a_training_gradients_are_asked_at_initialisation_alone():
    (section,) = parse_grid("mine", {"gradients": [{"task": "adding"}]}).gradients
    assert section.asked_after == (None,)
    with pytest.raises(harness.HarnessError, match=r"\[\[gradients\]\]"):
        parse_grid("mine", {"gradients": [{"tsk": "adding"}]})


def test_gradients_fall_back_to_the_next_backend_are_shown_and_resume(command, grid, swapped_file, tmp_path):
    arguments = ("--grid", "small.toml", "--measures", "gradients", "--plugin", str(swapped_file))
    arguments += ("--cells", "lstm", "--backends", "swapped,torch")
    done = command("run", *arguments)
    assert "gradients · adding[length=12] · at initialisation, H 4 · 1 of 2 trials" in done.stdout, done.stderr
    view = store.read_run(tmp_path / "results")
    asked = {(t.backend, t.training is None): t for t in view.planned if t.measure == "gradients"}
    statuses = {backend: view.records[trial.id].status for (backend, _), trial in asked.items()}
    assert statuses == {"swapped": Status.REJECTED, "torch": Status.OK}
    trial = asked["torch", True]
    assert len(view.arrays(trial.id)["norm"]) == 12
    assert (view.folder / "figures" / "gradients.png").stat().st_size > 0
    assert "half_life" in command("show", trial.id).stdout
    rows = json.loads(command("plan", *arguments, "--json").stdout)["trials"]
    assert {row["state"] for row in rows} == {"answered"}
    assert "gradients · lstm@swapped · adding[length=12] · at initialisation · seed 0" in {row["trial"] for row in rows}


LAGS = 29


def _record(cell, seed, horizon, trained=False, **changes):
    """As the measure leaves it: norms that reach 1 % at `horizon`, None beyond the sequence."""
    trial = Trial(
        measure="gradients",
        cell=Subject(name=cell, version=1),
        backend="torch",
        task=Subject(name="adding", version=1),
        model=ModelSettings(hidden=64),
        training=TrainingSettings(steps=750) if trained else None,
        seed=seed,
    )
    plain = {"horizon": horizon, "half_life": 1, "horizon.h": horizon, "lags": LAGS}
    plain |= {"solved": horizon is None, "primary": "mse", "better": "lower", "validation.mse": 0.1} if trained else {}
    status = changes.get("status", Status.OK)
    large = {"parameters": 12_864, "state_bytes": 256, "flops_per_step": 26_240}
    if status == Status.DIVERGED:
        plain = {"solved": False, "primary": "mse", "better": "lower"}
    norm = 0.01 ** (np.arange(LAGS + 1) / (horizon or 99))
    record = Record(trial=trial, status=status, basis="b", values={k: Measured(v) for k, v in (plain | large).items()})
    return record, {} if status == Status.DIVERGED else {"lag": np.arange(LAGS + 1), "norm": norm}


@pytest.fixture
def write(tmp_path):
    """Writes a run from answers and reads it back as the report does."""

    def written(answers):
        planned = [store.Planned(trial=answer.trial, basis="b") for answer, _ in answers]
        with store.Results(tmp_path / "results") as results:
            writer = store.RunWriter(results.new_run("20300101-000000-quick"))
            writer.describe({"grid": {"name": "quick"}, "facts": {}}, planned, ())
            for answer, arrays in answers:
                kept = {}
                if arrays:
                    np.savez(tmp_path / "arrays.npz", **arrays)
                    kept = writer.keep_arrays(answer.id, tmp_path / "arrays.npz")
                writer.write(replace(answer, arrays=kept))
            writer.close()
        return store.read_run(tmp_path / "results")

    return written


def _answers(seeds=3):
    for seed in range(seeds):
        yield from (_record(cell, seed, lag + seed % 2) for cell, lag in (("rnn", 8), ("gru", 9), ("patient", 21)))
        yield from (_record(cell, seed, lag, trained=True) for cell, lag in (("rnn", 4), ("gru", None)))
        lost = {"status": Status.DIVERGED} if seed == 2 else {}
        yield _record("patient", seed, None if seed else 12, trained=True, **lost)


def test_the_findings_say_how_far_who_hears_and_what_training_changed(write):
    told = "\n".join(findings(write(list(_answers(seeds=9)))))
    assert "has fallen to 1 % at lags 8 to 10 in rnn and gru; at lags 21 to 22 in patient" in told
    assert "(least to greatest seed; seeds a cell: 9)" in told
    assert "at lag 4 in rnn (solved 0/9)" in told
    assert "not within 29 lags in gru (solved 9/9)" in told
    assert "with every seed, gradients reach further back in gru (9/9), less far back in rnn (9/9)" in told
    assert "gradients are missing: patient (8 of 9, 1 diverged)" in told


@pytest.mark.parametrize("seeds", [1, 3, 6])
def test_few_seeds_claim_no_direction_of_what_training_changed(write, seeds):
    told = "\n".join(findings(write(list(_answers(seeds)))))
    assert "with every seed, gradients" not in told
    assert f"n = {seeds}: too few to claim a direction (7 at least)" in told
    assert f"rnn 0/{seeds}{' and' if seeds > 2 else ','} gru {seeds}/{seeds}" in told  # patient diverged once


def test_of_a_cell_that_lacks_seeds_no_direction_is_claimed(write):
    answers = [_record("gru", seed, 9) for seed in range(9)]
    lost = {"status": Status.DIVERGED}
    answers += [_record("gru", seed, None, trained=True, **(lost if seed == 8 else {})) for seed in range(9)]
    told = "\n".join(findings(write(answers)))
    assert "with every seed" not in told
    assert "gradients are missing: gru (8 of 9, 1 diverged)" in told


def test_a_horizon_beyond_the_sequence_is_censored_and_a_diverged_training_counted(write, tmp_path):
    run = write(list(_answers()))
    table = gradients(run).set_index(["stage", "cell"])
    assert table.loc[("after training", "gru"), "horizon_median"] == math.inf
    patient = table.loc[("after training", "patient")]
    assert (patient["n"], patient["planned"], patient["diverged"], patient["horizon_min"]) == (2, 3, 1, 12)
    assert (tmp_path / "out" / "figures" / "gradients.png") in write_report(run, tmp_path / "out")
    page = (tmp_path / "out" / "report.md").read_text("utf-8")
    assert "| gru | 3/3 | 0 | 3/3 | >29 |" in page
    assert "| h >29 [12–>29] | 64 | 12,864 | 256 B | 26,240 | torch |" in page
    assert "| patient | 2/3 | 1 | 1/2 | >29 [12–>29] |" in page


def test_a_run_whose_gradients_all_failed_is_still_drawn(write, tmp_path):
    lost = [(replace(answer, status=Status.ERROR, values={}), {}) for answer, _ in _answers()]
    run = write(lost)
    assert gradients_of(sections(run, "gradients")[0])["n"].sum() == 0
    assert (tmp_path / "out" / "figures" / "gradients.png") in write_report(run, tmp_path / "out")
