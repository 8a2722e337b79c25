"""Runs of the demonstration as its grid would leave them, with the outcomes that a test wants."""

import math

import numpy as np

from harness.trial import Trial
from recorded import ADDING, adding_record, record, subject, training_trial, values

CLASSIC = {"rnn": [None] * 6, "lstm": [575, 600, 600, 625, 650, 500], "gru": [200, 225, 225, 200, 225, 200]}
"""By cell and seed, the steps to solve: what is usually seen."""
BEFORE, AFTER = {"rnn": 9, "lstm": 8, "gru": 9, "biased": 21}, {"rnn": 4, "lstm": math.inf, "gru": math.inf}
"""Horizons in steps."""


def demonstrated(solved=CLASSIC, before=BEFORE, after=AFTER, seeds=3):
    """Answers (record, arrays) of a run; cells that `before` or `after` lack have no gradients."""
    answers = [
        adding_record(training_trial(ADDING, cell, seed, learning_rate=0.02, validation=256), at, 0.05)
        for cell, courses in solved.items()
        for seed, at in enumerate(courses)
    ]
    for trained, horizons in ((False, before), (True, after)):
        answers += [_gradients(cell, seed, h, trained=trained) for cell, h in horizons.items() for seed in range(seeds)]
    return answers


def _gradients(cell, seed, horizon, *, trained):
    like = training_trial(
        ADDING, subject("lstm", forget_bias=1) if cell == "biased" else cell, seed, learning_rate=0.02
    )
    plain = {name: getattr(like, name) for name in ("cell", "backend", "task", "model", "seed")}
    trial = Trial(measure="gradients", training=like.training if trained else None, **plain)
    lag = np.arange(40)
    norm = 0.01 ** (lag / horizon) if math.isfinite(horizon) else np.full(40, 0.4)
    known = None if math.isinf(horizon) else horizon
    states = {"horizon.h": known} | ({"horizon.c": known} if cell in ("lstm", "biased") else {})
    found = values(horizon=known, half_life=1, lags=39, examples=64) | values(**states)
    return record(trial, found), {"lag": lag, "norm": norm}
