"""From how a child ended to a record's status and reason."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from harness.arrays import is_sound
from harness.isolation.client import Ended
from harness.isolation.limits import gibibytes
from harness.isolation.request import ARRAYS, Request, Result, read_result
from harness.record import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a trial ended: its result, the end of its output, the seconds it took, its arrays' file if any.

    `waited`: seconds before it began, while something else on this machine was timed. `disturbed`: the machine ended
    it, not its own code nor a limit of ours; asked again, it may well answer. `machine`: the fingerprint of the one it
    ran on, "" for the run's own.
    """

    request: Request
    result: Result
    output: str
    seconds: float
    arrays: Path | None
    waited: float = 0.0
    disturbed: bool = False
    machine: str = ""


def conclude(request: Request, ended: Ended, seconds: float, *, killed: bool, starved: bool, waited: float) -> Outcome:
    """The outcome of a child that has ended.

    `killed`: the runner ended it at its deadline. `starved`: the kernel killed somebody meanwhile for want of memory.
    """
    result = _result(request, ended, killed=killed, starved=starved)
    return Outcome(
        request=request,
        result=result,
        output="" if result.status == Status.OK else ended.output,
        seconds=seconds,
        arrays=request.folder / ARRAYS if result.arrays_sha256 else None,
        waited=waited,
        disturbed=_killed_from_outside(ended) and not killed,
    )


def _killed_from_outside(ended: Ended) -> bool:
    return ended.status == signal.SIGKILL and not ended.held


def _result(request: Request, ended: Ended, *, killed: bool, starved: bool) -> Result:
    code = os.waitstatus_to_exitcode(ended.status)
    if ended.held:
        held, most = gibibytes(ended.held), gibibytes(request.memory)
        return _failure(Status.OOM, f"its processes held {held} of memory, more than the {most} it may")
    if killed:
        return _failure(Status.TIMEOUT, f"no result within {request.timeout:g} s")
    if code < 0:
        return _ended_by(-code, starved=starved)
    try:
        result = read_result(request.folder)
        if result and result.arrays_sha256 and not is_sound(request.folder / ARRAYS, result.arrays_sha256):
            raise ValueError("the checksum of the result's arrays is wrong")
    except ValueError as error:
        return _failure(Status.BAD_RESULT, str(error))
    if code != 0:
        return _failure(Status.EXIT, f"left with exit code {code}")
    return result or _failure(Status.NO_RESULT, "left with exit code 0 and no result")


def _ended_by(number: int, *, starved: bool) -> Result:
    if number != signal.SIGKILL:
        names = {one.value: one.name for one in signal.Signals}  # the real-time ones have none
        return _failure(Status.SIGNAL, f"ended by {names.get(number, f'signal {number}')}")
    if starved:
        return _failure(Status.OOM, "killed by the kernel: the machine ran out of memory")
    return _failure(Status.SIGNAL, "ended by SIGKILL, from outside")


def _failure(status: Status, reason: str) -> Result:
    return Result(status=status, reason=reason, values={})
