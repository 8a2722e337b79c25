"""The measures: each takes a trial and gives an answer. One file a measure."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.plugins import Catalog
from harness.record import Answer
from harness.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a measure gets beside its question: the catalog, and a private folder that is thrown away after it."""

    catalog: Catalog
    folder: Path


def measure(trial: Trial, context: Context) -> Answer:
    """Answers a trial, in the process it is called in."""
    module = importlib.import_module(f"harness.measures.{trial.measure}")
    answer: Callable[[Trial, Context], Answer] = module.measure
    return answer(trial, context)
