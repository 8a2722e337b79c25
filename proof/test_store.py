"""Ten thousand recorded trials: how long planning, resuming and reporting take, and what the runner keeps in memory.

Seconds are of the processor, not of the wall: the claim is about work, and another's work on the machine is not ours.
"""

import gc
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from harness import machine, plugins, store
from harness.answered import Answered
from harness.basis import Bases
from harness.description import Planned
from harness.executors.local import Local
from harness.grid import parse_grid
from harness.planning import plan
from harness.record import Measured, Record, Status
from harness.runner import still_missing
from harness.session import RunOptions, Session
from harness.store import Results, RunWriter

LENGTHS, HIDDEN, RATES, SEEDS = (20, 40, 60, 80, 100), [16, 32, 64], [1e-3, 3e-3, 1e-2], 56
GRID = {
    "cells": ["rnn", "lstm", "gru", "gru_reset_before"],
    "backends": ["torch", "numpy"],
    "order": ["torch", "numpy"],
    "measures": ["accuracy"],
    "seeds": SEEDS,
    "accuracy": [
        {"task": f"adding[length={length}]", "model": {"hidden": HIDDEN}, "training": {"learning_rate": RATES}}
        for length in LENGTHS
    ],
}
STEP = np.arange(25, 1001, 25)


def _values(draw: np.random.Generator) -> dict[str, Measured]:
    solved = float(draw.integers(100, 900))
    plain = {"test.mse": draw.random(), "validation.mse": draw.random(), "baseline.mse": 1 / 6, "criterion": 0.01}
    plain |= {"parameters": 17217, "cell_parameters": 17152, "state_bytes": 512, "flops_per_step": 34000}
    texts = {"primary": "mse", "better": "lower", "criterion_metric": "mse"}
    plain |= {"solved": True, "steps_to_solved": solved, "steps": 1000, "budget": 1000, "tested": 2048} | texts
    return {name: Measured(value) for name, value in plain.items()}


def _curve(folder: Path, draw: np.random.Generator) -> Path:
    curve = np.exp(-STEP / 300) * (1 + 0.1 * draw.random(len(STEP)))
    np.savez_compressed(folder / "curve.npz", step=STEP, **{"validation.mse": curve, "train_loss": curve})
    return folder / "curve.npz"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A results folder with a record and a curve for every trial of the grid; nothing waits for the disk."""
    results, draw = tmp_path_factory.mktemp("store") / "results", np.random.default_rng(0)
    catalog, facts = plugins.load(), machine.facts()
    planned = plan(parse_grid("large", GRID), catalog)
    bases = Bases(catalog, facts)
    described = {"grid": {"name": "large", "title": ""}, "facts": facts | {"fingerprint": machine.fingerprint(facts)}}
    with pytest.MonkeyPatch.context() as patched, Results(results) as opened:
        patched.setattr(os, "fsync", lambda handle: None)
        writer = RunWriter(opened.new_run("20300101-000000-large"))
        entries = [Planned(trial=trial, basis=bases.of(trial).digest) for trial in planned.trials]
        writer.describe(described, entries, [])
        for entry in entries:
            accuracy = entry.trial.measure == "accuracy"
            arrays = writer.keep_arrays(entry.trial.id, _curve(results.parent, draw)) if accuracy else {}
            record = Record(trial=entry.trial, status=Status.OK, basis=entry.basis, answer="a" * 16, arrays=arrays)
            writer.write(_with(record, draw) if accuracy else record)
        writer.close()
    return results


def _with(record: Record, draw: np.random.Generator) -> Record:
    from dataclasses import replace

    return replace(record, values=_values(draw), output="the end of what was printed\n" * 8, seconds=12.0)


def _seconds(work):
    """What it gives, and the processor's seconds it took."""
    gc.collect()
    with threadpool_limits(1):  # a library's threads that only wait for work count as work
        began = time.process_time()
        found = work()
        return found, time.process_time() - began


def test_ten_thousand_trials_are_planned_resumed_and_reported(folder, tmp_path, prove):
    from harness.report.findings import findings
    from harness.report.writing import write_report

    catalog, facts = plugins.load(), machine.facts()
    grid = parse_grid("large", GRID)
    planned, planning = _seconds(lambda: plan(grid, catalog))
    states, looking = _seconds(lambda: [state for _, state in still_missing(planned, catalog, folder, facts)])
    assert set(states) == {"answered"}

    with Results(folder) as results:
        session, opening = _seconds(
            lambda: Session(planned, catalog, RunOptions(results=folder), results, Local("cpu"))
        )
        missing, asking = _seconds(lambda: session.missing(planned.trials))
        session.close()
    assert not missing
    run, reading = _seconds(lambda: store.read_run(folder, "20300101-000000-large"))
    assert len(run.records) == len(planned.trials)
    _, writing = _seconds(lambda: (write_report(run, tmp_path / "report"), findings(run)))

    trials = f"{len(planned.trials):,} trials"
    prove(f"{trials} planned, and told what is answered", "≤ 2 s", f"{planning:.1f} s and {looking:.1f} s")
    prove(f"{trials} resumed", "≤ 2 s", f"{opening + asking:.1f} s")
    prove(f"{trials} read and reported, tables and figures", "≤ 10 s", f"{reading + writing:.1f} s")
    assert len(planned.trials) >= 10_000
    assert planning <= 2
    assert looking <= 2
    assert opening + asking <= 2
    assert reading + writing <= 10


def test_the_runners_memory_stays_flat_over_ten_thousand_records(folder, tmp_path, prove):
    run = store.read_run(folder)
    records = list(run.records.values())
    writer = RunWriter(tmp_path)
    answers = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda handle: None)
        tracemalloc.start()
        for record in records:
            writer.write(record)
            answers[record.id] = Answered.of(record)
        grown = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
    writer.close()
    prove(f"memory the runner gains over {len(records):,} records", "≤ 20 MiB", f"{grown:.1f} MiB")
    assert grown <= 20


def test_a_hundred_thousand_trials_are_planned_opened_and_recorded_by_one_driver(tmp_path, prove):
    catalog = plugins.load()
    planned, planning = _seconds(lambda: plan(parse_grid("huge", GRID | {"seeds": 556}), catalog))
    draw = np.random.default_rng(0)
    with Results(tmp_path / "results") as results:
        session, opening = _seconds(
            lambda: Session(planned, catalog, RunOptions(results=tmp_path / "results"), results, Local("cpu"))
        )
        folder = session.writer.folder
        session.close()
        writer, curve = RunWriter(folder), _curve(tmp_path, draw)
        chosen = [trial for trial in planned.trials if trial.measure == "accuracy"][:500]
        began = time.perf_counter()
        for trial in chosen:
            kept = writer.keep_arrays(trial.id, curve)
            writer.write(_with(Record(trial=trial, status=Status.OK, basis="b", answer="a" * 16, arrays=kept), draw))
        recording = (time.perf_counter() - began) / len(chosen)
        writer.close()
    size = (folder / "run.json").stat().st_size / len(planned.trials)
    trials = f"{len(planned.trials):,} trials"
    prove(f"{trials} planned, and their run opened", "said", f"{planning:.1f} s and {opening:.1f} s of one core")
    prove(f"`run.json` of {trials}", "said", f"{size:.0f} bytes a trial")
    prove("a record and its curve made durable, of 500", "said", f"{1000 * recording:.1f} ms each, by the wall clock")
    assert len(planned.trials) >= 100_000
