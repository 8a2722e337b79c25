"""Grapheme to phoneme: how is this word pronounced? Real English words, from the CMU pronouncing dictionary.

    p h o n e m e   → F OW N IY M          r e a d   → R EH D, or R IY D

117 thousand words of letters alone; stress is left out. The split is that of g2p-seq2seq (by position in the file,
85 % train, 5 % validation, 10 % test) with one mend: `read(2)` belongs to `read`, so that no word is in two splits.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

import harness
from harness.task import EXAM_BATCH, Split
from harness_seq2seq import dictionary
from harness_seq2seq.answers import constant_answer, ended
from harness_seq2seq.dictionary import END, LONGEST, PHONES, START, Dictionary
from harness_seq2seq.edit_distance import edit_distances


@dataclass(frozen=True)
class G2P(harness.Task):
    """Letters in, phones out; no criterion, cells are compared by their error rates.

    `phoneme_error_rate`: edits to the nearest reference, summed, over the summed lengths of those references (of
    equally near ones the first listed). `word_error_rate`: words whose answer equals none of their references.
    What needs words raises HarnessError where the dictionary is not installed.
    """

    about = harness.About(
        name="g2p",
        title="grapheme to phoneme (CMUdict)",
        paper="Yao & Zweig 2015, arXiv:1506.00196; split of cmusphinx/g2p-seq2seq",
    )

    def problem(self) -> harness.Problem:
        """26 letters in; 39 phones, start and end out."""
        return harness.Problem(
            kind=harness.Kind.ENCODER_DECODER,
            source=harness.Symbols(26),
            target=harness.Symbols(len(PHONES) + 2),
            metrics=(harness.Metric(name="phoneme_error_rate"), harness.Metric(name="word_error_rate")),
            start=START,
            end=END,
            longest=LONGEST + 1,
        )

    def sources(self) -> tuple[Path, ...]:
        """The dictionary's file, where it is installed."""
        file = dictionary.find_file()
        return (file,) if file else ()

    def batch(self, rng: np.random.Generator, size: int) -> harness.Batch:
        """`size` training words of one length, with replacement, one pronunciation of each at random.

        The length is that of a random word, so that every word is drawn as often as any other.
        """
        words = dictionary.load()
        length = words.spelled[words.train[rng.integers(len(words.train))]]
        bucket = words.train[words.starts[length] : words.starts[length + 1]]
        chosen = bucket[rng.integers(len(bucket), size=size)]
        first = words.first[chosen]
        return _batch(words, chosen, first + rng.integers(words.first[chosen + 1] - first))

    def examine(self, rng: np.random.Generator, size: int, split: Split) -> list[harness.Batch]:
        """`size` words of the split, drawn without replacement, grouped by length; all of them where `size` exceeds.

        `references`: per word the tuple of its pronunciations; `target`: the first of them.
        """
        words = dictionary.load()
        return _exam(words, rng.permutation(words.words(split))[:size])

    def score(self, batch: harness.Batch, prediction: np.ndarray) -> dict[str, tuple[float, float]]:
        """Both error rates, against the nearest of each word's references."""
        symbols, lengths = ended(prediction, END)
        answers = [tuple(said[:n]) for said, n in zip(symbols.T.tolist(), lengths.tolist(), strict=True)]
        wrong = [b for b, answer in enumerate(answers) if answer not in batch.references[b]]
        phones = int(lengths.sum() - lengths[wrong].sum())  # a right answer is as long as the reference it equals
        pairs = [(b, reference) for b in wrong for reference in batch.references[b]]
        distances = edit_distances([answers[b] for b, _ in pairs], [reference for _, reference in pairs])
        nearest: dict[int, tuple[int, int]] = {}
        for (b, reference), edits in zip(pairs, distances.tolist(), strict=True):
            if b not in nearest or edits < nearest[b][0]:
                nearest[b] = edits, len(reference)
        phones += sum(length for _, length in nearest.values())
        return {
            "phoneme_error_rate": (sum(edits for edits, _ in nearest.values()), phones),
            "word_error_rate": (len(wrong), len(answers)),
        }

    def baseline(self) -> dict[str, float]:
        """The commonest training phone at each position, scored on all validation words.

        No constant agrees with more phones position by position; as edits may shift, some have fewer edits.
        """
        words = dictionary.load()
        spans = zip(words.first[words.train], words.first[words.train + 1], strict=True)
        train = np.concatenate([np.arange(start, stop) for start, stop in spans])
        constant = constant_answer(words.phones[train], words.spoken[train] + 1, END)
        totals = {metric.name: np.zeros(2) for metric in self.problem().metrics}
        for batch in _exam(words, words.words("validation")):
            said = np.broadcast_to(constant[:, None], (len(constant), batch.x.shape[1]))
            for name, tally in self.score(batch, said).items():
                totals[name] += tally
        return {name: float(total / count) for name, (total, count) in totals.items()}


def _exam(words: Dictionary, chosen: np.ndarray) -> list[harness.Batch]:
    """Batches of the chosen words, each of one length, shortest first."""
    batches = []
    for length in np.unique(words.spelled[chosen]):
        bucket = chosen[words.spelled[chosen] == length]
        for at in range(0, len(bucket), EXAM_BATCH):
            part = bucket[at : at + EXAM_BATCH]
            batches.append(_batch(words, part, words.first[part], tuple(map(words.pronunciations, part.tolist()))))
    return batches


def _batch(words: Dictionary, chosen: np.ndarray, spoken: np.ndarray, references: tuple = ()) -> harness.Batch:
    """Words `chosen` [B], all of one length, with the pronunciations numbered `spoken` [B]."""
    x = words.letters[chosen, : words.spelled[chosen[0]]]
    lengths = words.spoken[spoken] + 1
    steps = int(lengths.max())
    return harness.Batch(
        x=np.ascontiguousarray(x.T, dtype=np.int64),
        target=np.ascontiguousarray(words.phones[spoken, :steps].T, dtype=np.int64),
        mask=np.arange(steps)[:, None] < lengths,
        references=references,
    )
