"""The examples of this plugin's cells: small sequences computed by others, drawn by `draw.py`, kept as JSON."""

import json
from importlib.resources import files

import numpy as np

import harness


def read_examples(cell: str) -> list[harness.Example]:
    """The examples of one cell, in float64."""
    documents = json.loads(files(__name__).joinpath(f"{cell}.json").read_text("utf-8"))
    return [
        harness.Example(
            source=document["source"],
            x=np.array(document["x"]),
            state=tuple(map(np.array, document["state"])),
            weights={name: np.array(weight) for name, weight in document["weights"].items()},
            y=np.array(document["y"]),
            final=tuple(map(np.array, document["final"])),
            tolerance=document["tolerance"],
        )
        for document in documents
    ]
