"""The kit at full length: every right cell passes on every shape, and every wrong layer is caught on all of them."""

import sys
from pathlib import Path

import pytest

from harness import plugins
from harness.kit.layers import Pair, check_layer
from harness.kit.result import Outcome

TESTS = Path(__file__).parent.parent / "tests"


@pytest.fixture
def layers(monkeypatch):
    monkeypatch.syspath_prepend(str(TESTS))
    from mutants import layers, manners

    assert manners.noisy.__name__ in layers.MADE
    yield layers
    sys.modules.pop("mutants", None)


def test_every_mutant_is_caught_and_no_right_pair_is(layers, prove):
    catalog = plugins.load(sorted((TESTS / "cells").glob("*.py")))
    cells = {name: entry.value for name, entry in catalog.cells.items()}
    others = tuple(cells.values())
    alive = []
    for name, (cell, _) in layers.MADE.items():
        results = check_layer(Pair(cell=cells[cell], backend=layers.Mutated(name), others=others))
        alive += [] if any(result.is_bad for result in results) else [name]
    wronged, pairs = [], 0
    for cell in others:
        for name in catalog.backends:
            backend = catalog.backend(name)
            if backend.why_not(cell, "cpu", "float32") is None:
                results = [*check_layer(Pair(cell=cell, backend=backend, others=others))]
                pairs += 1
                wronged += [f"{r.subject}: {r.check}" for r in results if r.outcome == Outcome.FAILED]
    caught = f"{len(layers.MADE) - len(alive)} of {len(layers.MADE)}"
    prove("faults planted in layers, caught by `harness check`", "all", caught)
    prove("right pairs of cell and backend called wrong", "none", f"{len(wronged)} checks of {pairs} pairs")
    assert not alive
    assert not wronged
