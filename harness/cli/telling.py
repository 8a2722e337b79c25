"""Lines for a person: folded to the terminal they are read on, whole where a file or another program reads them."""

import shutil
import sys
import textwrap

import click

NARROWEST = 20
TOGETHER = "\u00a0%"
"""What keeps a figure and its sign on one line while it is folded."""


def tell(text: str, *, hanging: int = 0, err: bool = False) -> None:
    """Prints a text; where the terminal is narrower, on several lines, all but the first `hanging` blanks further in.

    What the line begins with, blanks or a bullet, stays as it is; no word is cut.
    """
    stream = sys.stderr if err else sys.stdout
    if not stream.isatty():
        click.echo(text, err=err)
        return
    width = max(NARROWEST, shutil.get_terminal_size((100, 24)).columns)
    for line in text.split("\n"):
        folded = textwrap.wrap(
            line.replace(" %", TOGETHER),
            width,
            subsequent_indent=" " * min(hanging, width // 3),
            break_long_words=False,
            break_on_hyphens=False,
            drop_whitespace=True,
            replace_whitespace=False,
        )
        click.echo("\n".join(folded).replace(TOGETHER, " %"), err=err)
