"""The demonstration's page: what it says follows from the records, in both languages, with nothing from outside."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from browser import browser, look, served
from demonstrated import BEFORE, CLASSIC, demonstrated
from harness.cell import Cell
from harness.demo import LANGUAGES, equations, sentences
from harness.demo.language import Language, particle
from harness.demo.page import language_of, page, write_page
from harness.demo.story import tell
from harness.record import Status

EVERYONE = {cell: [300, 325, 350, 300, 325, 350] for cell in CLASSIC}
WHOLE = dict.fromkeys(CLASSIC, math.inf)


@pytest.fixture
def story(write, catalog):
    """A story of records with the outcomes that are asked for."""
    return lambda **outcomes: tell(write(demonstrated(**outcomes)), catalog)


def told(story, language="en"):
    """All computed sentences, the headline first."""
    say = language_of(story, language).plain
    found = [*sentences.solving(story), *sentences.hearing(story), sentences.verdict(story)]
    return " ".join([say(sentences.headline(story)), *(say(one.key, **one.values) for one in found)])


def test_where_the_rnn_fails_the_page_says_so(story):
    words = told(story())
    assert "The RNN forgot. LSTM and GRU remembered." in words
    assert "RNN: none of 6 seeds solved the task within 1,000 steps." in words
    assert re.search(r"With its best weights its error is 0\.1\d+, about that of always saying 1", words)
    assert "In the median that is less far back than before training." in words
    assert "agrees with the explanation" in words
    assert "what hears the whole sequence (LSTM and GRU) solved the task with every seed, what does not (RNN)" in words


def test_where_the_rnn_solves_it_the_words_change(story):
    words = told(story(solved=EVERYONE, after=WHOLE))
    assert "This time all three remembered" in words
    assert "RNN: 6 of 6 seeds solved the task, after 325 steps in the median." in words
    assert "forgot" not in words
    assert "all three hear the whole sequence, and all three solved the task" in words


def test_two_of_six_seeds_are_told_as_two_of_six(story):
    words = told(story(solved=CLASSIC | {"rnn": [None, 900, None, None, 950, None]}))
    assert "Who remembers? In this run that depended on the seed" in words
    assert "RNN: 2 of 6 seeds solved the task, those after 925 steps in the median" in words


def test_solving_without_hearing_is_not_explained_away(story):
    words = told(story(solved=EVERYONE))
    assert "hearing and solving do not quite coincide" in words
    assert "Solved with every seed: RNN, LSTM and GRU" in words


def test_the_sequence_shown_is_one_of_the_tasks_and_adds_up_as_it_is_written(story):
    one = story().sample
    first, second = (float(one.numbers[step - 1]) for step in one.marked)
    assert one.answer == pytest.approx(first + second)
    assert round(first, 2) + round(second, 2) == pytest.approx(round(one.answer, 2))
    assert one.marked[0] <= len(one.numbers) // 2 < one.marked[1]


def test_forgetting_alike_and_a_bias_that_helps_are_claimed_only_where_measured(story):
    assert "forget alike: 1 % is left after 9, 8 and 9 steps" in told(story())
    assert "hears further from the start: 21 steps instead of 8" in told(story())
    unlike = told(story(before=BEFORE | {"lstm": 30, "biased": 20}))
    assert "do not forget alike" in unlike
    assert "in this run that helped little" in unlike


def test_a_run_that_was_interrupted_says_what_is_missing(story):
    words = told(story(solved=CLASSIC, after={"rnn": 4}))
    assert "Of the trained LSTM there is no such measurement." in words
    assert "cannot be said yet" in words


def test_a_training_that_diverged_is_not_called_guessing(write, catalog):
    answers = demonstrated()
    diverged = [(replace(a, status=Status.DIVERGED), {}) if a.trial.cell.name == "rnn" else (a, b) for a, b in answers]
    assert "Training diverged: its error is no finite number." in told(tell(write(diverged), catalog))


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_run_without_any_answer_has_a_page_that_claims_nothing(write, catalog, language):
    story = tell(write([], unanswered=[answer.trial for answer, _ in demonstrated()]), catalog)
    assert sentences.headline(story) == "headline.incomplete"
    assert [one.key for one in sentences.solving(story)] == ["solving.nothing"] * 3
    assert sentences.verdict(story).key == "verdict.incomplete"
    assert "nan" not in re.sub(r"<[^>]+>", "", page(story, language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("solved", [CLASSIC, EVERYONE])
def test_every_number_of_the_tiles_is_in_the_page(story, language, solved):
    made = page(story(solved=solved), language)
    assert f'<html lang="{language}">' in made
    assert len(re.findall('class="full rnn"', made)) == sum(at is not None for at in solved["rnn"])
    assert len(re.findall('class="hollow rnn"', made)) == sum(at is None for at in solved["rnn"])


def test_both_languages_have_the_same_texts_and_name_the_same_values(story):
    english, korean = (Language(code, {}).texts for code in LANGUAGES)
    assert english.keys() == korean.keys()
    for key, text in english.items():
        assert names(korean[key]) == names(text), key


def names(text: str) -> set[str]:
    """What a text computes: the values in its braces, without the filters that write them."""
    inside = re.findall(r"\{[{%](.*?)[%}]\}", text)
    found = {name for part in inside for name in re.findall(r"\b(?:story|cell|one|rnn|lstm|biased)\.[\w.]+", part)}
    return {name for name in found if not name.endswith(".name")}


@pytest.mark.parametrize(
    ("word", "pair", "said"),
    [("LSTM", "은/는", "LSTM은"), ("GRU", "은/는", "GRU는"), ("셀", "을/를", "셀을"), ("13", "이/가", "13이")],
)
def test_korean_particles_follow_the_sound(word, pair, said):
    assert particle(word, pair) == said


def test_the_equations_are_those_of_the_step(catalog):
    shown = [re.sub(r"<[^>]+>", "", line) for line in equations.equations(catalog.cells["lstm"].value)]
    assert shown[1:] == ["ct=σ(f)∘ct−1+σ(i)∘tanh(g)", "ht=σ(o)∘tanh(ct)"]
    assert shown[0].startswith("(i,f,g,o)=")
    assert "Wihxt+bih+Whhht−1+bhh" in shown[0].replace("\u2062", "")


def test_a_step_that_is_more_than_arithmetic_has_no_equations():
    class Looped(Cell):
        def parameters(self, I, H):
            return {}

        def step(self, ops, p, x, state):
            for _ in range(2):
                x = x + x
            return (x,)

    assert equations.equations(Looped()) == []


class Figures(HTMLParser):
    """Every picture's text alternative, and whatever a page would load."""

    def __init__(self):
        super().__init__()
        self.alternatives, self.loaded = [], []

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if found.get("role") == "img":
            self.alternatives.append(found["aria-label"])
        self.loaded += [found[name] for name in ("src", "href", "srcset") if name in found]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_has_words_and_nothing_is_loaded(story, language):
    read = Figures()
    read.feed(made := page(story(), language))
    assert len(read.alternatives) == 9
    assert all(len(words) > 20 for words in read.alternatives)
    assert all(address.startswith(("#", "data:,")) for address in read.loaded)
    assert "<script" not in made
    assert "url(http" not in made


WRAPPER = """<!doctype html><iframe src="demo.{language}.html" style="width:{width}px;height:900px;border:0"
onload="document.title = this.contentDocument.documentElement.scrollWidth"></iframe>"""


@pytest.mark.skipif(browser() is None, reason="no Chromium")
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_browser_shows_it_on_a_phone_without_scrolling_sideways_and_asks_nobody(story, language, tmp_path):
    write_page(story(), language, tmp_path)
    (tmp_path / "phone.html").write_text(WRAPPER.format(language=language, width=360))
    with served(tmp_path) as address:
        shown = look(f"{address}phone.html", tmp_path / "look")
    assert shown.hosts <= {address.removeprefix("http://").rstrip("/")}
    assert re.search(r"<title>(\d+)</title>", shown.text)[1] == "360"


def test_a_page_cannot_be_made_of_another_grids_run(write, catalog):
    with pytest.raises(Exception, match="wanted a run of the grid demo"):
        tell(write([one for one in demonstrated() if one[0].trial.cell.name == "gru"]), catalog)
