"""What travels between driver and workers: canonical JSON under a checksum, and an answer's arrays as they are.

`<sha256 of the rest>\\n<JSON>\\n<the bytes of arrays.npz, if any>`: nothing is pickled and nothing unpickled, so no
version of an object on one side has to match the other's.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness import canonical
from harness.environment import private
from harness.isolation.outcome import Outcome
from harness.isolation.request import ARRAYS, Request, Result


def pack(plain: Mapping[str, Any], attached: bytes = b"") -> bytes:
    """Plain data and bytes that go with it."""
    content = canonical.dumps(plain).encode() + b"\n" + attached
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def unpack(parcel: bytes) -> tuple[dict[str, Any], bytes]:
    """What was packed. Raises ValueError for anything else."""
    checksum, _, content = parcel.partition(b"\n")
    if checksum != hashlib.sha256(content).hexdigest().encode():
        raise ValueError("its checksum is wrong")
    text, _, attached = content.partition(b"\n")
    plain = canonical.loads(text)
    if not isinstance(plain, dict):
        raise ValueError("it is not of its form")  # noqa: TRY004 -- of the parcel, not of an argument
    return plain, attached


def question(request: Request) -> dict[str, Any]:
    """A request without its places, which are the worker's; memory 0: its share there."""
    return {
        "trial": request.trial.to_plain(),
        "timeout": request.timeout,
        "memory": request.memory,
        "spawn": request.spawn,
    }


def pack_outcome(outcome: Outcome) -> bytes:
    """How a trial ended, with the bytes of its arrays; this machine's private names are taken out."""
    result = replace(outcome.result, reason=private(outcome.result.reason))
    plain = {
        "result": result.to_plain(),
        "output": private(outcome.output),
        "seconds": outcome.seconds,
        "waited": outcome.waited,
        "disturbed": outcome.disturbed,
    }
    return pack({"outcome": plain}, outcome.arrays.read_bytes() if outcome.arrays else b"")


def outcome_of(plain: Mapping[str, Any], attached: bytes, request: Request) -> Outcome:
    """The outcome as it was packed, its arrays in the request's folder here. Raises ValueError for anything else."""
    arrays = None
    if attached:
        request.folder.mkdir(parents=True, exist_ok=True)
        arrays = request.folder / ARRAYS
        arrays.write_bytes(attached)
    try:
        return Outcome(
            request=request,
            result=Result.from_plain(plain["result"]),
            output=plain["output"],
            seconds=plain["seconds"],
            arrays=arrays,
            waited=plain["waited"],
            disturbed=plain["disturbed"],
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is not of its form: {type(error).__name__} {error}") from error
