"""Randomness derived from content, never from the order of calls."""

import hashlib
import json

import numpy as np


def stream(seed: int, purpose: str, *names: object) -> np.random.Generator:
    """The generator that belongs to (seed, purpose, names); equal arguments give equal streams.

    `purpose` says what the numbers are for ("initialise", "train", "test"), `names` what they belong to (a
    task's spelling, a batch's number). A resumed, a reordered and a lone trial thus draw the same numbers.
    """
    key = json.dumps([seed, purpose, *map(str, names)], ensure_ascii=False)
    entropy = int.from_bytes(hashlib.sha256(key.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.PCG64DXSM(entropy))


def torch_seed(seed: int, purpose: str, *names: object) -> int:
    """A 63-bit seed for a `torch.Generator`, derived as `stream` derives its own."""
    return int(stream(seed, purpose, *names).integers(2**63))
