"""What a decoder says and what a constant one would say."""

import numpy as np


def ended(prediction: np.ndarray, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each decoded answer ends.

    `prediction`: [S, B] symbols → symbols [S + 1, B] and lengths [B], the end symbol not counted. An answer without
    one ends after all S symbols.
    """
    symbols = np.concatenate([prediction, np.full_like(prediction[:1], end, shape=(1, prediction.shape[1]))])
    return symbols, (symbols == end).argmax(axis=0)


def constant_answer(answers: np.ndarray, lengths: np.ndarray, end: int) -> np.ndarray:
    """The one answer [S], end symbol included, that agrees with most symbols of all answers, position by position.

    `answers`: [N, S] symbols; `lengths`: [N] counts the end symbol. The most frequent symbol at every position up
    to the end, and the end where the sum of agreements is the largest.
    """
    steps, symbols = answers.shape[1], int(answers.max()) + 1
    counts = np.zeros((steps, symbols), dtype=np.int64)
    for step in range(steps):
        counts[step] = np.bincount(answers[lengths > step, step], minlength=symbols)
    at_end = counts[:, end].copy()
    counts[:, end] = -1
    best = counts.max(axis=1)
    stop = int(np.argmax(np.cumsum(best) - best + at_end))
    return np.append(counts[:stop].argmax(axis=1), end)
