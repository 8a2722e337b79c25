"""Plugins that do their worst: each ends as what it is, nobody else is affected, and no process is left."""

import inspect
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from harness import plugins
from harness.executors import local
from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer, environment
from harness.isolation.family import family as members
from harness.isolation.outcome import Outcome
from harness.isolation.output import TOLD
from harness.isolation.request import Request
from harness.record import Status
from harness.settings import ModelSettings, TrainingSettings
from harness.spelling import parse
from harness.trial import Subject, Trial

HOSTILE = Path(__file__).parent / "plugins" / "hostile.py"
MEMORY = 3 * 2**28
"""Bytes a trial may hold: what is imported takes 300 MB of them."""

EXPECTED = {
    "well": (Status.OK, ""),
    "raise": (Status.ERROR, "ValueError: a cell's own mistake"),
    "raise_without_words": (Status.ERROR, "Wordless: its message raises"),
    "raise_what_nobody_catches": (Status.ERROR, "GeneratorExit: a cell's own"),
    "raise_half_a_sign": (Status.ERROR, r"ValueError: half a sign \ud800, and \x1b[31mred"),
    "sys_exit_0": (Status.NO_RESULT, "exit code 0 and no result"),
    "os_exit_0": (Status.NO_RESULT, "exit code 0 and no result"),
    "exit_3": (Status.EXIT, "exit code 3"),
    "exit_beyond_numbers": (Status.EXIT, "exit code 3"),
    "exit_with_words": (Status.EXIT, "exit code 1"),
    "segfault": (Status.SIGNAL, "ended by SIGSEGV"),
    "abort": (Status.SIGNAL, "ended by SIGABRT"),
    "real_time_signal": (Status.SIGNAL, "ended by signal 40"),
    "kill_its_group": (Status.SIGNAL, "ended by SIGKILL, from outside"),
    "hang": (Status.TIMEOUT, "no result within 1 s"),
    "hang_ignoring_term": (Status.TIMEOUT, "no result within 1 s"),
    "hold_gil": (Status.TIMEOUT, "no result within 1 s"),
    "stop_itself": (Status.TIMEOUT, "no result within 1 s"),
    "stop_its_parent": (Status.TIMEOUT, "no result within 1 s"),
    "fork_without_end": (Status.OK, ""),
    "leave_a_child": (Status.OK, ""),
    "leave_a_daemon": (Status.OK, ""),
    "shout": (Status.ERROR, "ValueError: after many words"),
    "print_nonsense": (Status.OK, ""),
    "forge": (Status.BAD_RESULT, "the result's checksum is wrong"),
    "leave_a_pipe": (Status.BAD_RESULT, "no file of a result's size"),
    "leave_a_folder": (Status.BAD_RESULT, "no file of a result's size"),
    "leave_a_link": (Status.BAD_RESULT, "no file of a result's size"),
    "leave_emptiness": (Status.BAD_RESULT, "no file of a result's size"),
    "empty_its_folder": (Status.EXIT, "exit code 70"),
    "allocate": (Status.OOM, "MemoryError"),
    "allocate_shared": (Status.OOM, "GiB of memory, more than the 0.75 GiB it may"),
    "allocate_by_children": (Status.OOM, "GiB of memory, more than the 0.75 GiB it may"),
    "not_a_number": (Status.DIVERGED, ""),
    "shapes": (Status.ERROR, ""),
    "types": (Status.ERROR, ""),
    "step_types": (Status.ERROR, ""),
    "change_everything": (Status.OK, ""),
    "patch_everything": (Status.OK, ""),
    "close_descriptors": (Status.OK, ""),
    "start_a_thread": (Status.OK, ""),
    "well,at=1": (Status.OK, ""),
}


def request(folder: Path, how: str, *, seed: int = 0) -> Request:
    catalog = plugins.load([HOSTILE])
    hangs = EXPECTED.get(how, (Status.OK,))[0] == Status.TIMEOUT
    trial = Trial(
        measure="accuracy",
        cell=Subject.of(catalog.cell(parse(f"hostile[how={how}]"))),
        backend="eager",
        task=Subject.of(catalog.task(parse("adding[length=4]"))),
        model=ModelSettings(hidden=2),
        training=TrainingSettings(steps=4, evaluate_every=2, validation=4, test=4),
        seed=seed,
    )
    timeout = 1.0 if hangs else 60.0
    return Request(trial=trial, folder=folder / trial.id, plugin_files=(HOSTILE,), timeout=timeout, memory=MEMORY)


def family() -> list[psutil.Process]:
    """What came from fork servers of this process, wherever it went: forks keep their parent's command line."""
    mine = ["harness.isolation.server", str(os.getpid())]
    return [p for p in psutil.process_iter(["cmdline"]) if set(mine) <= set(p.info["cmdline"] or ())]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """Every way to misbehave, in one go, two at a time: outcomes by way, folders, and the processes left."""
    folder = tmp_path_factory.mktemp("hostile")
    requests = {how: request(folder, how) for how in EXPECTED}
    ways = {request.folder: how for how, request in requests.items()}
    grace, local.GRACE = local.GRACE, 0.3
    with Stopping() as stopping, ForkServer(environment(1)) as server:
        events = local.execute(server, requests.values(), slots=2, stopping=stopping)
        outcomes = {ways[event.request.folder]: event for event in events if isinstance(event, Outcome)}
        left = [*family(), *psutil.Process().children(recursive=True)]
    local.GRACE = grace
    return outcomes, left


@pytest.mark.parametrize("how", EXPECTED)
def test_each_misdeed_has_its_status_and_reason(hostile, how):
    result = hostile[0][how].result
    status, reason = EXPECTED[how]
    assert result.status == status, result.reason
    assert reason in result.reason
    assert result.reason or status == Status.OK


def test_nobody_is_left_but_the_server_and_then_nobody(hostile):
    assert len(set(hostile[1])) == 1, "a zombie counts too"
    assert not family()


def test_what_a_trial_does_to_its_own_process_changes_no_answer(hostile):
    answers = {how: outcome.result.answer for how, outcome in hostile[0].items() if outcome.result.status == Status.OK}
    assert len(answers) == 10
    assert set(answers.values()) == {answers["well"]}


def test_of_fifty_megabytes_printed_the_end_is_kept_and_no_more(hostile):
    shouted = hostile[0]["shout"]
    assert "ValueError: after many words" in shouted.output
    assert "words words" in shouted.output
    assert len(shouted.output) == TOLD


def test_only_what_comes_from_outside_is_the_machines_fault(hostile):
    assert [how for how, outcome in hostile[0].items() if outcome.disturbed] == ["kill_its_group"]


def test_a_server_that_is_killed_or_stopped_for_ever_is_replaced_and_costs_only_what_it_ran(tmp_path, monkeypatch):
    monkeypatch.setattr(local, "GRACE", 0.3)
    monkeypatch.setattr(local, "UNHEARD", 0.3)
    names = ("kill_its_parent", "stop_its_parent_for_ever")
    misdeeds = [replace(request(tmp_path, how), timeout=1.0) for how in names]
    requests = [*misdeeds, *(request(tmp_path, "well", seed=seed) for seed in (1, 2))]
    with Stopping() as stopping, ForkServer(environment(1)) as server:
        events = local.execute(server, requests, slots=1, stopping=stopping)
        lost, late, *others = [event for event in events if isinstance(event, Outcome)]
    assert (lost.result.status, lost.disturbed) == (Status.SIGNAL, True)
    assert (late.result.status, late.disturbed) == (Status.TIMEOUT, False)
    assert [other.result.status for other in others] == [Status.OK, Status.OK]
    assert not family()


def test_what_a_family_holds_is_found_however_deep_it_goes():
    deep = """
import os, sys
for _ in range(99):
    if os.fork():
        os.wait()
        os._exit(0)
print(flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-I", "-S", "-c", deep]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        first.stdout.readline()
        most = sys.getrecursionlimit()
        sys.setrecursionlimit(len(inspect.stack(0)) + 60)
        try:
            found = [*members(first.pid)]
        finally:
            sys.setrecursionlimit(most)
        first.stdin.close()
    assert len(found) == 100
