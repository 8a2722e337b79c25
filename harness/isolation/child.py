"""Inside the child: answer one trial, leave the result as a file. Runs forked, or as `python -m` for CUDA."""

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from os import _exit  # ours, whatever a plugin makes of os._exit
from pathlib import Path
from typing import Any, NoReturn

from harness.bench.serving import is_out_of_memory
from harness.errors import HarnessError, in_a_line
from harness.isolation.request import PRIVATE, Request, write_result
from harness.record import Answer, Status


def main(request: Request) -> int:
    """Answers the request. Returns the exit code: 0 wherever a result was written."""
    _stand_in(request.folder / PRIVATE)
    write_result(request.folder, _answer(request))
    return 0


def leave(code: int) -> NoReturn:
    """Ends this process at once, whatever threads it has and whatever wants to be called at its exit."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        _exit(code & 0xFF)


def _stand_in(folder: Path) -> None:
    """Makes a folder the place of everything that names none: the working folder, and that of temporary files."""
    folder.mkdir(exist_ok=True)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    os.chdir(folder)


def _answer(request: Request) -> Answer:
    try:
        from harness import plugins
        from harness.measures import Context, measure

        catalog = plugins.load(request.plugin_files)
        answer: Any = measure(request.trial, Context(catalog=catalog, folder=request.folder))
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 -- one of the two places: ending a trial
        if type(error) is HarnessError:
            return Answer(values={}, status=Status.ERROR, reason=str(error))
        with suppress(OSError, ValueError):  # its output may be closed
            traceback.print_exc()
        return Answer(values={}, status=_status(error), reason=in_a_line(error))
    if isinstance(answer, Answer):
        return answer
    return Answer(values={}, status=Status.BAD_RESULT, reason=f"wanted an Answer, found {type(answer).__name__}")


def _status(error: BaseException) -> Status:
    with suppress(Exception):  # its message may raise
        if is_out_of_memory(error):
            return Status.OOM
    return Status.ERROR


if __name__ == "__main__":
    leave(main(Request.read(Path(sys.argv[1]))))
