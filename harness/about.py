"""What a cell, a backend or a task says of itself."""

import re
from dataclasses import dataclass

from harness.errors import HarnessError

NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Name, one-line title, source and version of something a plugin offers.

    `name` is a lower-case word (`lstm`, `copy_memory`). `version` is part of every trial's id: raise it when
    the meaning changes, so that old answers are not taken for new ones. Raises HarnessError for a bad name.
    """

    name: str
    title: str
    paper: str = ""
    version: int = 1

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise HarnessError(
                f"wanted a name of lower-case letters, digits and underscores, found {self.name!r}",
                hint="rename it in its `about`",
            )
        if [type(self.title), type(self.version)] != [str, int]:
            raise HarnessError(f"wanted a title and a whole number as version of {self.name}, found {self!r}")
        if not self.title.isprintable():
            raise HarnessError(f"wanted a title of one line of {self.name}, found {self.title!r}")
