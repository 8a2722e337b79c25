"""Records as the measures leave them, and a report's words: what the tests of the report share."""

import io
import math
from dataclasses import replace

import numpy as np
from rich.console import Console

from harness.record import Measured, Record, Status
from harness.report.findings import findings
from harness.report.terminal import print_report
from harness.settings import LayerShape, ModelSettings, TrainingSettings
from harness.trial import Subject, Trial

CELLS = ("rnn", "lstm", "gru", "gru_reset_before")
SHAPE = LayerShape(batch=32, length=40, hidden=64, inputs=2)
ADDING = Subject(name="adding", version=1, options=(("length", 40),), changed=(("length", 40),))
G2P = Subject(name="g2p", version=1)
COPY = Subject(name="copy_memory", version=1, options=(("delay", 20),), changed=(("delay", 20),))


def subject(name, **options):
    changed = tuple(sorted(options.items()))
    return Subject(name=name, version=1, options=changed, changed=changed)


def training_trial(task, cell, seed, **training):
    settings = {"steps": 1000, "evaluate_every": 25} | training
    return Trial(
        measure="accuracy",
        cell=cell if isinstance(cell, Subject) else subject(cell),
        backend="torch",
        task=task,
        model=ModelSettings(hidden=64),
        training=TrainingSettings(**settings),
        seed=seed,
    )


def values(**plain):
    return {name.replace("__", "."): Measured(value) for name, value in plain.items()}


def adding_record(trial, solved_at, noise=0.0):
    """As accuracy measures it: the error falls below 0.01 at a step, or stays at the baseline."""
    end = solved_at or trial.training.steps
    step = np.arange(25, end + 1, 25)
    fall = np.exp(-5 * np.maximum(0, step - 0.5 * end) / end) if solved_at else np.ones(len(step))
    error = 0.167 * fall * (1 + noise * np.sin(step * (trial.seed + 1)))
    error[-1] = min(error[-1], 0.008) if solved_at else error[-1]
    plain = values(
        test__mse=float(error[-1]) * (1.0 + 0.02 * trial.seed),
        validation__mse=float(error.min()),
        baseline__mse=1 / 6,
        solved=solved_at is not None,
        steps_to_solved=solved_at,
        steps=end,
        budget=trial.training.steps,
        parameters=17217,
        cell_parameters=17152,
        tested=2048,
        primary="mse",
        better="lower",
        criterion=0.01,
        criterion_metric="mse",
    )
    return record(trial, plain), {"step": step, "validation.mse": error, "train_loss": error.astype(np.float32)}


def g2p_record(trial, rate):
    step = np.arange(100, 501, 100)
    course = rate + (0.95 - rate) * np.exp(-step / 120)
    plain = values(
        test__phoneme_error_rate=rate,
        test__word_error_rate=min(1.0, 2.4 * rate),
        validation__phoneme_error_rate=rate,
        baseline__phoneme_error_rate=0.91,
        baseline__word_error_rate=1.0,
        parameters=215_000,
        primary="phoneme_error_rate",
        better="lower",
    )
    return record(trial, plain), {"step": step, "validation.phoneme_error_rate": course}


def copy_record(trial, solved_at):
    """Recall rises from chance to 1 at a step, or stays at chance."""
    end = solved_at or trial.training.steps
    step = np.arange(25, end + 1, 25)
    recall = 0.25 + (0.75 / (1 + np.exp(-(step - 0.7 * end) / (0.06 * end))) if solved_at else 0.02 * np.sin(step))
    plain = values(
        test__recall=float(recall[-1]),
        test__cross_entropy=0.115 * (1.3 - float(recall[-1])),
        validation__recall=float(recall.max()),
        baseline__recall=0.25,
        baseline__cross_entropy=0.1155,
        solved=solved_at is not None,
        steps_to_solved=solved_at,
        steps=end,
        parameters=18_629,
        primary="recall",
        better="higher",
        criterion=0.99,
        criterion_metric="recall",
    )
    return record(trial, plain), {"step": step, "validation.recall": recall}


def speed_trial(cell, backend, versus="torch"):
    return Trial(measure="speed", cell=subject(cell), backend=backend, shape=SHAPE, versus=versus)


def speed_record(trial, seconds, speedup, half=0.05):
    found = {"pairs": Measured(6), "rounds": Measured(12), "parameters": Measured(4352), "blas": Measured("openblas")}
    for mode, share in (("train", 1.0), ("forward", 0.3)):
        figures = (
            seconds * share,
            seconds * share * speedup,
            speedup,
            speedup * (1 - half),
            speedup * (1 + half),
            0.04,
        )
        names = ("seconds", "versus_seconds", "speedup", "speedup_low", "speedup_high", "detectable")
        found |= {f"{mode}_{name}": Measured(figure, timed=True) for name, figure in zip(names, figures, strict=True)}
    samples = seconds * (1 + 0.03 * np.sin(np.arange(72))).reshape(6, 12)
    return record(trial, found), {"train": np.stack([samples, samples * speedup], axis=1)}


def memory_record(cell, backend, peak):
    trial = Trial(measure="memory", cell=subject(cell), backend=backend, shape=SHAPE)
    names = ("train_peak", "forward_peak", "activation", "parameter", "state")
    return record(trial, {f"{n}_bytes": Measured(peak / (i + 1), "bytes") for i, n in enumerate(names)}), {}


def gate_record(cell, backend, worst, examples=2):
    trial = Trial(measure="conformance", cell=subject(cell), backend=backend)
    found = values(worst=worst, checks=30, checks_failed=0 if worst <= 1 else 3, examples=examples)
    if worst <= 1:
        return record(trial, found), {}
    return record(trial, found, status=Status.REJECTED, reason="output y is wrong at B3 T5 H17"), {}


def record(trial, found, **changes):
    return Record(trial=trial, status=changes.pop("status", Status.OK), basis="b", values=found, **changes)


def quick_answers():
    """A run as the default grid gives it: rnn learns nothing of adding, the others solve it."""
    speeds = {"torch": {"rnn": 1.1, "lstm": 1.9, "gru": 1.8}, "numpy": {"rnn": 0.7, "lstm": 2.1, "gru": 1.82}}
    speeds["eager"] = {"rnn": 4.0, "lstm": 9.4, "gru": 9.9, "gru_reset_before": 9.1}
    answers = [gate_record(cell, backend, 0.1 + 0.1 * len(cell) / 16) for backend in speeds for cell in speeds[backend]]
    for seed in range(6):
        answers.append(adding_record(training_trial(ADDING, "rnn", seed), None, 0.05))
        for cell, first in (("lstm", 500), ("gru", 300), ("gru_reset_before", 275)):
            solved_at = first + 25 * ((seed * 7 + len(cell)) % 5)
            answers.append(adding_record(training_trial(ADDING, cell, seed), solved_at, 0.2))
        courses = {"rnn": None, "lstm": None if seed else 1400, "gru": 700, "gru_reset_before": 800}
        for cell, first in courses.items():
            solved_at = first and first + 25 * (seed * 5 % 7)
            answers.append(copy_record(training_trial(COPY, cell, seed, steps=1500, learning_rate=0.02), solved_at))
        biased = training_trial(COPY, subject("lstm", forget_bias=1), seed, steps=1500, learning_rate=0.02)
        answers.append(copy_record(biased, 900 + 25 * (seed * 3 % 5)))
    answers += g2p_answers(seeds=3)
    for cell in CELLS:
        for backend in speeds:
            if cell not in speeds[backend]:
                continue
            milliseconds = speeds[backend][cell]
            versus = "torch" if cell in speeds["torch"] else "eager"
            trial = speed_trial(cell, backend, versus)
            half = 0.01 if backend == versus else 0.05
            answers.append(speed_record(trial, 1e-3 * milliseconds, speeds[versus][cell] / milliseconds, half))
            answers.append(memory_record(cell, backend, 2**20 * milliseconds * (1.3 if backend == "eager" else 1.0)))
    return answers


def g2p_answers(seeds):
    """rnn is worse than the others, which are alike."""
    return [
        g2p_record(
            training_trial(G2P, cell, seed, steps=500, evaluate_every=100, learning_rate=3e-3),
            rate + 0.006 * math.sin(seed * 3 + len(cell)),
        )
        for seed in range(seeds)
        for cell, rate in zip(CELLS, (0.33, 0.215, 0.232, 0.228), strict=True)
    ]


def near_answers(seeds):
    """rnn is worse than the others, of which some lie so near that few seeds do not tell them apart."""
    noise = np.random.default_rng(3).normal(0, 0.008, (30, len(CELLS)))
    trials = [[training_trial(G2P, cell, seed, steps=500) for cell in CELLS] for seed in range(seeds)]
    rates = np.array((0.33, 0.215, 0.232, 0.228)) + noise
    return [g2p_record(trial, rates[seed, place]) for seed in range(seeds) for place, trial in enumerate(trials[seed])]


def told(run):
    return "\n".join(findings(run))


def sentence(run, *words):
    """The one sentence that has all the words."""
    found = [one for one in findings(run) if all(word in one for word in words)]
    assert len(found) == 1, (words, findings(run))
    return found[0]


def printed(run, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_report(run, console)
    return console.file.getvalue()


def row(table, **wanted):
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def odd_answers():
    """Everything a measure might leave: NaN, infinities, no values, no arrays, every status."""
    bad = (math.nan, math.inf, -math.inf, 0.0)
    answers = []
    for seed, figure in enumerate(bad):
        answer, arrays = g2p_record(training_trial(G2P, "gru", seed), 0.2)
        changed = {name: Measured(figure) for name in answer.values if name.startswith(("test.", "validation."))}
        curve = {**arrays, "validation.phoneme_error_rate": np.full(5, figure)}
        answers.append((replace(answer, values={**answer.values, **changed}), curve))
        answers.append((speed_record(speed_trial("gru", f"b{seed}"), 1e-3, figure, 0.1)[0], {}))
        answers.append(memory_record("gru", f"b{seed}", figure))
        answers.append((record(Trial(measure="conformance", cell=subject("gru"), backend=f"b{seed}"), {}), {}))
    for seed, status in enumerate(Status):
        answers.append((record(training_trial(ADDING, "rnn", seed), {}, status=status, reason="why\nmore"), {}))
    return answers


def only_failures():
    return odd_answers()[-10:]
