"""The proof: slow claims about the harness itself, each with the figure it was judged by.

`make proof` runs them and writes their table into docs/method.md. A test calls `prove` with what was found before it
asserts, so that a missed target stands in the table too; so does a test that ended before it found anything.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Prove = Callable[[str, str, str], None]
BEGIN, END = "<!-- proof: begin -->", "<!-- proof: end -->"
ROWS = pytest.StashKey[list[tuple[str, str, str, str]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write", type=Path, help="Write the table between the marks of this Markdown file.")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


@pytest.fixture
def prove(request: pytest.FixtureRequest) -> Iterator[Prove]:
    """Notes a figure: `prove(claim, wanted, found)`. Whether the test passed stands beside it."""
    noted = request.node.stash.setdefault(NOTED, [])
    yield lambda claim, wanted, found: noted.append((claim, wanted, found))
    verdict = "yes" if request.node.stash.get(PASSED, False) else "**no**"
    request.config.stash[ROWS] += [(*row, verdict) for row in noted]


PASSED = pytest.StashKey[bool]()
NOTED = pytest.StashKey[list[tuple[str, str, str]]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    if report.failed and not item.stash.get(NOTED, []):
        claim = item.name.removeprefix("test_").replace("_", " ")
        item.config.stash[ROWS].append((claim, "", "nothing: it ended before", "**no**"))
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[ROWS]
    if not rows:
        return
    table = "\n".join(["| claim | wanted | found | holds |", "|---|---|---|---|", *(_line(row) for row in rows)])
    terminalreporter.write_line("\n" + table)
    if path := config.getoption("--write"):
        text = path.read_text("utf-8")
        marked = re.compile(f"(?<={BEGIN}\n).*(?={END})", re.DOTALL)
        path.write_text(marked.sub(lambda _: f"\n{table}\n\n", text), "utf-8")


def _line(row: tuple[str, ...]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
