"""The documentation as a site: built strictly, readable without a network, its examples run, its cells the cells."""

import contextlib
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.exceptions import NoArgsIsHelpError

from browser import browser, look, served
from harness import plugins
from harness.cli import harness as program
from harness_cells import page
from tutorial import blocks_of

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md")])
FOLLOWED = {"write-a-cell.md", "write-a-task.md"}
"""Pages with a test of their own, which runs every block of theirs in order."""
NOT_RUN = {"scaling.md": "wants clusters of Dask's", "cells.md": "methods of the cells, compared with them below"}
"""Pages whose Python is only compiled, and why."""
PROLOGUE = {
    "check.md": """
from harness_adding import Adding
from harness_cells.rnn import RNN as MyCell
from harness_numpy import NumpyBackend as MyBackend

class MyTask(Adding):
    def baseline(self):
        return {"mse": 0.5}
""",
    "asking.md": "from pathlib import Path\nPath('results/runs').mkdir(parents=True)",
}
"""What a page's examples take for granted."""
MODULE = "import torch\nclass MyRecurrence(torch.nn.GRU):\n    pass\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_page_is_in_the_navigation_of_a_site_built_without_a_warning(site):
    shown = (site / "index.html").read_text("utf-8")
    for one in (ROOT / "docs").glob("*.md"):
        assert f'href="{one.stem}.html"' in shown, f"{one.name} is in no navigation: mkdocs.yml"


def test_a_browser_shows_the_site_without_asking_anybody_else(site, tmp_path):
    if browser() is None:
        pytest.skip("wants Chromium, found none: apt install chromium")
    with served(site) as address:
        for name in ("index", "method"):
            seen = look(f"{address}{name}.html", tmp_path / name, (390, 900))
            assert not seen.hosts - {address.split("/")[2]}


def test_no_page_of_the_site_fetches_anything_from_elsewhere(site):
    fetching = re.compile(r"<(?:link|script|img|iframe)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//[^>]*>")
    assert fetching.search('<link rel="stylesheet" href="https://example.org/a.css">')
    for one in site.glob("*.html"):
        assert not fetching.findall(one.read_text("utf-8")), one.name


def test_what_is_quoted_of_the_example_stands_there():
    found = re.sub(r"\s+", " ", (ROOT / "docs" / "example" / "findings.txt").read_text("utf-8"))
    page = re.sub(r"\s+", " ", (ROOT / "docs" / "reading-a-report.md").read_text("utf-8"))
    quoted = [words.rstrip(" …") for words in re.findall(r"\*“(.+?)”\*", page)]
    assert len(quoted) >= 5
    for words in quoted:
        assert words in found, words


def test_what_the_page_says_of_cells_is_what_they_say_of_themselves():
    assert page.rendered() in page.PAGE.read_text("utf-8"), "make cells"


def commands(text: str) -> list[list[str]]:
    """The harness's command lines in a page's blocks for the shell."""
    shell = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in shell for line in block.splitlines()]
    parts = [part for line in lines for part in re.split(r"&&|;| \| |&$", line)]
    return [shlex.split(part, comments=True)[1:] for part in parts if part.strip().startswith("harness ")]


def mentions(text: str) -> list[list[str]]:
    """Commands between backticks in a page's sentences, which may leave out what a command wants."""
    return [shlex.split(quoted)[1:] for quoted in re.findall(r"`(harness [a-z][^`]*)`", text)]


def understood(words: list[str]) -> None:
    """Reads a command line as the program would, without doing anything. Raises click.UsageError."""
    verb, context = importlib.import_module(f"harness.cli.{words[0]}").command, click.Context(program)
    rest = [word for word in words[1:] if word != "…"]
    while isinstance(verb, click.Group) and rest:
        _, verb, rest = verb.resolve_command(context, rest)
    for parameter in verb.params:  # a file that a reader has, and a test has not
        if isinstance(parameter.type, click.Path):
            parameter.type.exists = False
    verb.make_context(verb.name, rest, parent=context)


@pytest.mark.parametrize("one", PAGES, ids=lambda one: one.name)
def test_every_command_in_a_page_is_understood(one):
    text = one.read_text("utf-8")
    for words in commands(text):
        understood(words)
    for words in mentions(text):
        with contextlib.suppress(click.MissingParameter, NoArgsIsHelpError):
            understood(words)


def test_every_command_that_a_page_of_results_offers_is_understood():
    offered = [
        words
        for page in sorted((ROOT / "harness").glob("*/pages/*.html"))
        for words in re.findall(r"<code>(harness [a-z][^<{]*)</code>", page.read_text("utf-8"))
    ]
    assert offered
    for words in offered:
        understood(shlex.split(words)[1:])


def test_a_command_that_is_not_understood_is_noticed():
    text = "```sh\nharness run --cells all  # all\n```\nor `harness compare --sells all`"
    (good,), (bad,) = commands(text), mentions(text)
    understood(good)
    with pytest.raises(click.NoSuchOption):
        understood(bad)


def python_of(one: Path) -> list[str]:
    return [block.text for block in blocks_of(one) if block.language == "python" and not block.title]


@pytest.mark.parametrize("one", [one for one in PAGES if python_of(one)], ids=lambda one: one.name)
def test_every_example_in_python_runs(one, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_package.py").write_text(MODULE, "utf-8")
    for number, text in enumerate(python_of(one)):
        code = compile(text, f"{one.name}, block {number}", "exec")
        if one.name in NOT_RUN or one.name in FOLLOWED:
            continue
        space: dict[str, object] = {"__name__": "example"}
        exec(PROLOGUE.get(one.name, ""), space)
        exec(code, space)
        if "hookimpl" in text:
            (tmp_path / f"example_{number}.py").write_text(text, "utf-8")
            catalog = plugins.load([tmp_path / f"example_{number}.py"])
            assert not catalog.missing, catalog.missing
