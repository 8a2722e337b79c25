"""Inside the child: answer one trial, leave the result as a file. Runs forked, or as `python -m` for CUDA."""

import os
import sys
import tempfile
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from harness.bench.serving import is_out_of_memory
from harness.errors import HarnessError
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
        os._exit(code)


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
    except HarnessError as error:
        return Answer(values={}, status=Status.ERROR, reason=str(error))
    except Exception as error:  # noqa: BLE001 -- one of the two places: ending a trial
        with suppress(OSError, ValueError):  # its output may be closed
            traceback.print_exc()
        status = Status.OOM if is_out_of_memory(error) else Status.ERROR
        text = str(error).strip().splitlines()
        return Answer(values={}, status=status, reason=f"{type(error).__name__}: {text[0] if text else 'no message'}")
    if isinstance(answer, Answer):
        return answer
    return Answer(values={}, status=Status.BAD_RESULT, reason=f"wanted an Answer, found {type(answer).__name__}")


if __name__ == "__main__":
    leave(main(Request.read(Path(sys.argv[1]))))
