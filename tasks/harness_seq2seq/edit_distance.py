"""The edit distance (Levenshtein 1966) of many pairs of sequences at once."""

from collections.abc import Sequence
from itertools import chain

import numpy as np


def edit_distances(first: Sequence[Sequence[int]], second: Sequence[Sequence[int]]) -> np.ndarray:
    """[P] fewest insertions, deletions and substitutions that turn first[p] into second[p].

    All P tables are filled together, a row at a time. Insertions run along the row: d[j] = min over k ≤ j of
    d[k] + (j − k), which is a running minimum of d[j] − j.
    """
    a, a_lengths = _padded(first)
    b, b_lengths = _padded(second)
    pairs, columns = np.arange(len(a)), np.arange(b.shape[1] + 1)
    row = np.broadcast_to(columns, (len(a), len(columns)))
    distances = b_lengths.copy()
    for i in range(a.shape[1]):
        best = row + 1
        np.minimum(best[:, 1:], row[:, :-1] + (b != a[:, i : i + 1]), out=best[:, 1:])
        row = np.minimum.accumulate(best - columns, axis=1) + columns
        distances = np.where(a_lengths == i + 1, row[pairs, b_lengths], distances)
    return distances


def _padded(sequences: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """[P, longest] and the lengths [P]; what stands in the padding never reaches a result."""
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    padded = np.zeros((len(sequences), int(lengths.max(initial=0))), dtype=np.int64)
    padded[np.arange(padded.shape[1]) < lengths[:, None]] = list(chain.from_iterable(sequences))
    return padded, lengths
