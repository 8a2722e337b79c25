"""The page itself: a story in a language, as one HTML file that needs nothing beside it."""

import math
from itertools import takewhile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from markupsafe import Markup

from harness import pages
from harness.demo import LANGUAGES, figures, sentences
from harness.demo.equations import equations
from harness.demo.language import Language
from harness.demo.sentences import Sentence
from harness.demo.story import Story
from harness.demo.tags import tag
from harness.errors import HarnessError

PARTS = ("task", "cell", "learning", "gradient", "gates", "numbers", "next")
OPENERS = ("solving.", "before.", "biased.", "after.")
"""Sentences that begin a point of a list; others belong to the one before."""
SIGMOID_ONE = 1 / (1 + math.exp(-1))
GATES = {"half": 0.5, "biased": SIGMOID_ONE, "nine": 0.9, "ninetynine": 0.99}
COMMANDS = {
    "shorter": "harness run --grid demo --cells rnn --measures accuracy --set task.adding.length=10",
    "longer": "harness run --grid demo --cells lstm,gru --measures accuracy --set task.adding.length=80",
    "biased": "harness run --grid demo --cells 'lstm,lstm[forget_bias=1]' --measures accuracy",
    "copy": "harness run --cells rnn,lstm,gru --tasks copy_memory --measures accuracy",
    "fair": "harness run --grid demo --measures accuracy --match parameters --reference lstm",
    "equation": "harness show lstm@fused",
    "own": "harness run --grid demo --plugin my_cell.py --cells my_cell,gru",
}


def write_page(story: Story, code: str, folder: Path) -> Path:
    """Writes `demo.<language>.html` into a folder. Raises HarnessError where it cannot."""
    path = folder / f"demo.{code}.html"
    try:
        path.write_text(page(story, code), "utf-8")
    except OSError as error:
        raise HarnessError(f"cannot write the page to {path}: {error.strerror}") from error
    return path


def page(story: Story, code: str) -> str:
    """The document of a story in a language."""
    language = language_of(story, code)
    environment = pages.environment(__package__)
    environment.filters |= language.filters
    return environment.get_template("page.html").render(
        language=code,
        other=next(other for other in LANGUAGES if other != code),
        style=pages.asset(__package__, "style.css"),
        story=story,
        say=language.say,
        plain=language.plain,
        figures=_figures(story, language),
        parts=PARTS,
        equations={key: _equations(story, key) for key in story.told},
        headline=sentences.headline(story),
        solving=_points(sentences.solving(story)),
        hearing=_points(sentences.hearing(story)),
        verdict=sentences.verdict(story),
        gates=[(name, gate, steps_behind(gate)) for name, gate in GATES.items()],
        commands=COMMANDS.items(),
    )


def language_of(story: Story, code: str) -> Language:
    """The catalogue of a language with what its texts may name."""
    return Language(
        code,
        {
            "story": story,
            **story.told,
            "cpu": str(story.facts.get("cpu", "")),
            "sigmoid_one": SIGMOID_ONE,
            "at_half": steps_behind(0.5),
            "at_biased": steps_behind(SIGMOID_ONE),
            "gradient_seeds": max(len(one.before.horizons) for one in story.told.values()),
        },
    )


def steps_behind(gate: float, share: float = 0.01) -> int:
    """After how many steps at most a share is left where each lets `gate` of it through."""
    return math.ceil(math.log(share) / math.log(gate))


def _equations(story: Story, key: str) -> list[Markup]:
    """Read from the step, or else as the cell's author wrote them."""
    cell = story.cells[key]
    written = (type(cell).__doc__ or "").strip().splitlines()
    return equations(cell) or [tag("p", line) for line in takewhile(str.strip, written)]


def _figures(story: Story, language: Language) -> SimpleNamespace:
    """The figures by name, drawn when the template asks for them."""
    say = language.plain
    return SimpleNamespace(
        dots=lambda told: figures.dots(told, say),
        sample=lambda: figures.sample(story, say),
        chain=lambda: figures.chain(say),
        learning=lambda: figures.learning(story, say),
        before=lambda: figures.reach(story, say, trained=False),
        after=lambda: figures.reach(story, say, trained=True),
        strips=lambda: figures.strips(story, say),
    )


def _points(found: Any) -> list[list[Sentence]]:
    """Sentences as points of a list."""
    points: list[list[Sentence]] = []
    for sentence in found:
        if sentence.key.startswith(OPENERS) and sentence.key != "solving.incomplete":
            points.append([])
        points[-1].append(sentence)
    return points
