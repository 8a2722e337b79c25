"""What a trial fixes beside its cell and its task: the model around the layer, the training, the shape."""

import math
import re
from dataclasses import dataclass
from typing import Literal

from harness.errors import HarnessError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSettings:
    """The model around the recurrent layer.

    `hidden`: H of every layer. `layers`: how many are stacked. `bidirectional`: a second stack reads backwards.
    `dropout`: probability, between layers. `embedding`: size of the vectors that symbols become. `attention`: the
    decoder looks at all of the encoder's outputs (Luong, Pham & Manning 2015, global, "general").
    """

    hidden: int = 64
    layers: int = 1
    bidirectional: bool = False
    dropout: float = 0.0
    embedding: int = 64
    attention: bool = False

    def __post_init__(self) -> None:
        _positive(self, "hidden", "layers", "embedding")
        if not 0 <= self.dropout < 1:
            raise HarnessError(f"wanted a dropout from 0 to below 1, found {self.dropout}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """One training: Adam (Kingma & Ba 2015) for `steps` optimiser steps of `batch` examples.

    `clip`: the gradients' global norm is cut to this after the backward pass; none leaves it. `evaluate_every`:
    steps between evaluations on `validation` held-out examples; `test`: examples of the one final test.
    """

    optimiser: Literal["adam"] = "adam"
    learning_rate: float = 1e-2
    clip: float | None = 1.0
    batch: int = 32
    steps: int = 1000
    evaluate_every: int = 50
    validation: int = 512
    test: int = 2048

    def __post_init__(self) -> None:
        _positive(self, "learning_rate", "batch", "steps", "evaluate_every", "validation", "test")
        if self.clip is not None:
            _positive(self, "clip")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """The size of a speed or memory trial: batch B, length T, hidden H, inputs I."""

    batch: int
    length: int
    hidden: int
    inputs: int

    def __post_init__(self) -> None:
        _positive(self, "batch", "length", "hidden", "inputs")

    def __str__(self) -> str:
        return f"B{self.batch} T{self.length} H{self.hidden} I{self.inputs}"


def parse_shape(text: str) -> LayerShape:
    """Reads `B32 T40 H64 I2`, in any order, with commas or blanks between. Raises HarnessError for anything else."""
    names = {"B": "batch", "T": "length", "H": "hidden", "I": "inputs"}
    size = r"([A-Za-z])\s*=?\s*(\d+)"
    found = re.findall(size, text) if re.fullmatch(rf"({size}[\s,]*)*", text.strip()) else []
    sizes = {names.get(letter.upper(), letter): int(size) for letter, size in found}
    if set(sizes) != set(names.values()) or len(found) != len(names):
        raise HarnessError(f"wanted a shape like B32,T40,H64,I2, found {text!r}")
    return LayerShape(**sizes)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingSettings:
    """How long a comparison of times may go on.

    `pairs`: fresh pairs of processes at least. More are added, `LOOK` at a time up to `most_pairs`, until the
    interval's half-width is at most `half_width` for every mode: a rule that looks at precision, never at the verdict.
    `rounds` of a pair at most; `seconds`: what the turns of `pairs` pairs shall take together, slow steps get fewer
    rounds; `budget`: seconds after which no pair is added. The defaults are a grid's.
    """

    pairs: int = 6
    most_pairs: int = 6
    half_width: float = 0.01
    rounds: int = 12
    seconds: float = 0.8
    budget: float = 20.0

    def __post_init__(self) -> None:
        _positive(self, "pairs", "half_width", "rounds", "seconds", "budget")
        if self.pairs < 2 or self.most_pairs < self.pairs:
            raise HarnessError(
                f"wanted at least 2 pairs, and no fewer as most, found {self.pairs} and {self.most_pairs}"
            )


def check_timeout(seconds: float) -> None:
    """Raises HarnessError for a deadline that is no number of seconds above 0."""
    if not 0 < seconds < math.inf:
        raise HarnessError(f"wanted a timeout above 0 s, found {seconds:g}", hint="--timeout 600")


def _positive(settings: object, *names: str) -> None:
    for name in names:
        if not getattr(settings, name) > 0:
            raise HarnessError(f"wanted {name} above 0, found {getattr(settings, name)}")
