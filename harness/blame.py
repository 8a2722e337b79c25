"""Somebody else's code that raises in the runner's own process, where no child contains it."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError, in_a_line


@contextmanager
def blamed(who: str) -> Iterator[None]:
    """What is raised inside becomes a HarnessError that says who, what and where, the whole trace its detail."""
    try:
        yield
    except HarnessError:
        raise
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}, line {last.lineno}"
        raise HarnessError(f"{who} raised {in_a_line(error)} ({where})", detail=traceback.format_exc()) from error
