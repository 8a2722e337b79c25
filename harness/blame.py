"""Somebody else's code that raises in the runner's own process, where no child contains it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError


@contextmanager
def blamed(who: str) -> Iterator[None]:
    """What is raised inside becomes a HarnessError that says who, what and where, the whole trace its detail."""
    try:
        yield
    except HarnessError:
        raise
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        text = str(error).strip().splitlines()
        what = f"{type(error).__name__}: {text[0]}" if text else type(error).__name__
        raise HarnessError(f"{who} raised {what} ({where})", detail=traceback.format_exc()) from error
