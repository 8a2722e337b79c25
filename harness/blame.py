"""Somebody else's code that raises: who, what and where, in words."""

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError, in_a_line

OURS = Path(__file__).parent
LIBRARIES = ("numpy", "torch")


def place(error: BaseException) -> str:
    """File and line of the author's that raised: the last frame outside the harness, NumPy and torch; or nothing."""
    loaded = [Path(sys.modules[name].__file__ or "").parent for name in LIBRARIES if name in sys.modules]
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if not {OURS, *loaded} & set(file.parents):
            return f"{file.name}, line {frame.lineno}" + (f": {frame.line}" if frame.line else "")
    return ""


@contextmanager
def blamed(who: str) -> Iterator[None]:
    """What is raised inside becomes a HarnessError that says who, what and where, the whole trace its detail.

    For the runner's own process, where no child contains it.
    """
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
