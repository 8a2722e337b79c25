"""A process and all that descend from it: who they are, what they hold, and how none outlives its time."""

import ctypes
import os
import signal
import sys
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on, a descendant whose parent ends becomes this process's child, not init's.

    A daemon that forked twice to get away is found among the children, whatever its session. Linux only.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """The processes whose parent is `pid`; empty where it has ended."""
    try:
        lists = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except (FileNotFoundError, ProcessLookupError):  # it has ended, or this kernel keeps no such lists
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    return [int(child) for line in lists for child in line.split()]


def family(pid: int) -> Iterator[int]:
    """The process and its descendants, however deep they go."""
    found = [pid]
    while found:
        yield (one := found.pop())
        found += children(one)


def held_bytes(pid: int, limit: int) -> int:
    """What the family holds in memory, files apart.

    Pages that several share are shared out among them: a walk through all of a process's pages, tens of milliseconds,
    done only where a quick count, in which each has them whole, exceeds the limit.
    """
    members = list(family(pid))
    quick = sum(_sum(member, "status", ("RssAnon:", "RssShmem:")) for member in members)
    if quick <= limit:
        return quick
    return sum(_sum(member, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:")) for member in members) or quick


def _sum(pid: int, file: str, fields: tuple[str, ...]) -> int:
    """The bytes in some fields of a process's file; 0 where it has ended, or where there is no /proc."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(fields))


def signal_session(pid: int, number: int) -> None:
    """To the session a child leads, which bears its pid; to the child alone where it has not made one yet."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        os.kill(pid, number)


def kill_abandoned(wanted: Container[int]) -> bool:
    """Kills the children of this process that are not wanted: what trials left behind, and what nobody waits for.

    Theirs become this process's in turn, when they end: called again at each end, it finds them all. Returns whether
    there were any.
    """
    abandoned = [pid for pid in children(os.getpid()) if pid not in wanted]
    for pid in abandoned:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(abandoned)


def end_all() -> None:
    """Kills every descendant, and returns when there is none."""
    while True:
        kill_abandoned(wanted=())
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return
