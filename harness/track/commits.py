"""Where a click on a commit leads: a page beside asv's own, with the day and subject of every commit that has figures.

asv wants the address of a server that shows commits; these pages know of none.
"""

import html
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any

from asv.publishing import OutputPublisher

from harness.track.suite import Suite

FILE = "commits.html"
"""`"show_commit_url": "commits.html#"` in `asv.conf.json` leads here."""

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Commits of {project}</title>
<style>
  :root {{ color-scheme: light dark; font: 15px/1.6 sans-serif }}
  body {{ max-width: 60em; margin: 2em auto; padding: 0 1em }}
  td {{ padding: .1em .8em; vertical-align: top }}
  :target {{ outline: 2px solid; font-weight: bold }}
</style>
<h1>Commits of {project}</h1>
<p><code>git show HASH</code> shows one of them in full; <a href="index.html#/">back to the curves</a>.
<table>
{rows}
</table>
</html>
"""


class Commits(OutputPublisher):  # type: ignore[misc] # asv has no types
    """Runs in every `asv publish`; adds no tab to asv's page."""

    order = 98

    @classmethod
    def publish(cls, conf: Any, _repo: Any, _benchmarks: Any, _graphs: Any, revisions: Container[str]) -> None:
        """Writes the page of all commits that are drawn, newest first."""
        rows = "\n".join(_rows(Suite(root=Path(conf.repo)), revisions, int(conf.hash_length)))
        page = PAGE.format(project=html.escape(conf.project), rows=rows)
        (Path(conf.html_dir) / FILE).write_text(page, "utf-8")


def _rows(suite: Suite, drawn: Container[str], letters: int) -> Iterator[str]:
    for line in suite.git("log", "--format=%H %cs %s", "HEAD").splitlines():
        commit, day, subject = f"{line} ".split(" ", 2)  # a subject may be empty
        if commit in drawn:
            short = commit[:letters]
            yield f'<tr id="{short}"><td><code>{short}</code><td>{day}<td>{html.escape(subject)}'
