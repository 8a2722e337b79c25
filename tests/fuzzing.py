"""What hypothesis types, writes into grids and puts into plugins; and what may come of it: a result, or words."""

import contextlib
import io
import itertools
import json
import tempfile
from pathlib import Path

import click
from hypothesis import strategies as st

from harness.cli import harness
from harness.errors import HarnessError


def words(text, separator=None):
    """One of the words of a text."""
    return st.sampled_from([word.strip() for word in text.split(separator)])


JUNK = st.one_of(
    st.text(max_size=8).map(lambda text: text.replace("\x00", "")),
    words("-1 0 nan inf 1e999 true none [ ]= @ ä ../.. ~ %s 99999999999999999999999999"),
)
WORDS = words(
    """lstm rnn@eager gru[reset=1] lstm[forget_bias=1]@fused[recompute=16] all adding adding[length=4] accuracy
    speed,memory gradients torch quick standard float64 parameters state auto shape.hidden=8 model.hidden=4
    training.learning_rate=0.1 cell.lstm.forget_bias=nan task.adding.length=-3"""
)
FLAGS = words(
    """--grid --cells --backends --tasks --measures --seeds --set --device --dtype --timeout --accuracy-on --match
    --reference --plugin --results --json --jobs --memory-limit --fresh --full --shape --base --budget --pairs
    --threads --kernel --help -h --version --"""
)
VERBS = words("plan list show report run compare replay doctor rnu -")
NOWHERE = {
    "run": ["--results", "/dev/null/results"],
    "doctor": ["--results", "/dev/null/results"],
    "compare": ["--threads", "4096"],
    "replay": ["--results", "/dev/null/results"],
}
"""What is added to verbs that would begin to work, so that nothing begins: the last of two options counts."""


@st.composite
def command_lines(draw):
    verb = draw(VERBS)
    parts = st.one_of(FLAGS, WORDS, JUNK).map(lambda word: [word]) | st.tuples(FLAGS, WORDS | JUNK)
    drawn = draw(st.lists(parts, max_size=5))
    return [verb, *itertools.chain(*drawn), *NOWHERE.get(verb, [])]


NUMBERS = st.one_of(st.integers(-2, 3), st.sampled_from([0.5, -1.0, 1e-9, 10**20]))
VALUES = st.recursive(
    st.one_of(st.booleans(), NUMBERS, WORDS, JUNK),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("abc"), inner, max_size=2)),
    max_leaves=3,
)
FIELDS = {
    "model": ["hidden", "layers", "bidirectional", "dropout", "embedding", "attention", "hiden"],
    "training": [
        "optimiser",
        "learning_rate",
        "clip",
        "batch",
        "steps",
        "evaluate_every",
        "validation",
        "test",
        "step",
    ],
    "shape": ["batch", "length", "hidden", "inputs", "time"],
}


def tables(kind):
    return st.one_of(VALUES, st.dictionaries(st.sampled_from(FIELDS[kind]), st.one_of(NUMBERS, VALUES), max_size=3))


SECTION = st.fixed_dictionaries(
    {},
    optional={
        "task": st.one_of(st.just("adding[length=4]"), VALUES),
        "model": tables("model"),
        "training": tables("training"),
        "shape": tables("shape"),
        "also": VALUES,
        "match": st.one_of(st.sampled_from(["parameters", "state"]), VALUES),
    },
)
SECTIONS = st.one_of(VALUES, st.lists(SECTION, max_size=2))
GRIDS = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(["accuracy", "gradients", "speed", "memory"], SECTIONS)
    | dict.fromkeys(["title", "device", "dtype", "accuracy_on", "order", "versus", "timeout", "titel"], VALUES)
    | {"measures": st.one_of(st.just(["accuracy", "speed"]), VALUES)}
    | {"match": st.one_of(st.sampled_from(["parameters", "state"]), VALUES)}
    | dict.fromkeys(["cells", "backends", "reference"], st.one_of(st.just(["rnn", "gru"]), WORDS, VALUES))
    | {"seeds": st.one_of(st.integers(-2, 3), VALUES.filter(lambda value: value != 10**20))},
)


def toml(value):
    """A value as TOML, inline."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value)


GRID_FILES = st.one_of(
    GRIDS.map(
        lambda grid: "\n".join(f"{key} = {toml(value)}" for key, value in grid.items()).encode("utf-8", "replace")
    ),
    st.binary(max_size=60),
)

PIECES = words(
    """'words'; None; 3; []; {}; float('nan'); (2 * H, I); {'weight': (H, I)}; {'weight': 'all'}; {'h': (H,)}; {1: 2};
    {'weight': (-H, 10**9)}; 1 / 0; sys.exit(0); int('x'); self; object(); {'weight_ih': (H,)}""",
    ";",
)
OPTIONS = words(
    "; size: int = 1; size: list = None; size: 'Unknown' = 3; size: dict = field(default_factory=dict)",
    ";",
)
PLUGIN = """
import sys
from dataclasses import dataclass, field
import harness

@dataclass(frozen=True)
class Strange(harness.Cell):
    about = harness.About(name={name}, title={title}, version={version})
    {options}

    def parameters(self, I, H):
        return {parameters}

    def states(self, I, H):
        return {states}

    def step(self, ops, p, x, state):
        return {step}

class Backend:
    about = harness.About(name="strange_backend", title="strange")
    devices = {devices}

    def why_not(self, cell, device, dtype):
        I = H = 1
        return {why_not}

    def build(self, cell, plan):
        return None

@harness.hookimpl
def harness_cells():
    self, I, H = None, 2, 3
    return {cells}

@harness.hookimpl
def harness_backends():
    return [Backend()]
"""


@st.composite
def plugin_files(draw):
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=60))
    usual = {
        "name": "'strange'",
        "title": "'a strange cell'",
        "version": "1",
        "parameters": "{'weight_ih': (H, I)}",
        "states": "{'h': (H,)}",
        "step": "state",
        "devices": "('cpu',)",
        "why_not": "None",
        "cells": "[Strange()]",
    }
    strange = draw(st.lists(st.sampled_from(sorted(usual)), max_size=2))
    pieces = usual | {name: draw(PIECES) for name in strange} | {"options": draw(OPTIONS)}
    return PLUGIN.format(**pieces).encode()


def told(arguments):
    """Calls `harness …`; whatever it is asked, it answers or says what is wrong. Returns the words."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            harness.main(arguments, standalone_mode=False)
    except HarnessError as error:
        assert error.message.strip()
        return error.message
    except click.ClickException as error:
        return error.format_message()
    except click.exceptions.Exit:
        pass
    return printed.getvalue()


def told_of_file(verb, flag, name, content, *arguments):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, name)
        file.write_bytes(content)
        return told([verb, flag, str(file), *arguments, "--results", str(Path(folder, "results"))])
