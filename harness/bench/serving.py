"""The worker's side of a conversation: an object whose methods are called from another process."""

import os
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, NoReturn

FRAMES = 30
"""The innermost frames of a worker's traceback that its caller gets to see."""


class Mistake(Exception):
    """What the reader of its message can mend."""


Reply = tuple[Any, ...]
"""("returned", value), or ("raised", kind, summary, traceback), kind being mistake, memory or other. Plain data only:
the two sides may run different revisions of everything but this file."""


def serve(connection: Connection, prepare: Callable[[], object]) -> NoReturn:
    """Makes the object, says so, then answers (method, arguments) until the other side is gone; ends the process.

    Nothing may climb out of it into the code of the process it was forked from.
    """
    code = 1
    try:
        served, reply = prepare(), None
        while True:
            connection.send(("returned", reply))
            try:
                method, arguments = connection.recv()
            except EOFError:
                code = 0
                break
            reply = getattr(served, method)(*arguments)
    except Exception as error:  # noqa: BLE001 -- ending a trial: this is the part of it that ran the plugin
        connection.send(_raised(error))
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out: torch has an error of its own for CUDA, and a RuntimeError for the CPU."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate memory" in str(error)


def _raised(error: Exception) -> Reply:
    """Another revision's HarnessError is not ours: kinds are told by their names."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if names & {"HarnessError", "Mistake"}:
        return "raised", "mistake", str(error), ""
    kind = "memory" if is_out_of_memory(error) else "other"
    summary = "".join(traceback.format_exception_only(error)).strip()
    return "raised", kind, summary, "".join(traceback.format_exception(error, limit=-FRAMES))
