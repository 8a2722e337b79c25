"""One trial, one child: however it ends, it ends as a status with a reason, and nobody else is affected."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from harness import plugins
from harness.executors import local
from harness.executors.local import Started, execute
from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer, environment
from harness.isolation.request import Request
from harness.record import Status
from harness.settings import ModelSettings, TrainingSettings
from harness.spelling import parse
from harness.trial import Subject, Trial

HOSTILE = Path(__file__).parent / "plugins" / "hostile.py"

EXPECTED = {
    "well": (Status.OK, ""),
    "raise": (Status.ERROR, "a cell's own mistake"),
    "exit_0": (Status.NO_RESULT, "exit code 0 and no result"),
    "exit_3": (Status.EXIT, "exit code 3"),
    "segfault": (Status.SIGNAL, "SIGSEGV"),
    "hang": (Status.TIMEOUT, "no result within 2 s"),
    "hang_ignoring_term": (Status.TIMEOUT, "no result within 2 s"),
    "memory": (Status.OOM, "no more"),
    "print": (Status.ERROR, "after many words"),
}


def _request(catalog, folder: Path, how: str, *, timeout: float = 60.0, seed: int = 0, spawn: bool = False) -> Request:
    trial = Trial(
        measure="accuracy",
        cell=Subject.of(catalog.cell(parse(f"hostile[how={how}]"))),
        backend="eager",
        task=Subject.of(catalog.task(parse("adding[length=4]"))),
        model=ModelSettings(hidden=2),
        training=TrainingSettings(steps=4, evaluate_every=2, validation=4, test=4),
        seed=seed,
    )
    return Request(trial=trial, folder=folder / trial.id, plugin_files=(HOSTILE,), timeout=timeout, spawn=spawn)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Every way to misbehave, in one go, two at a time."""
    folder = tmp_path_factory.mktemp("isolation")
    catalog = plugins.load([HOSTILE])
    requests = [_request(catalog, folder, how, timeout=2.0 if "hang" in how else 60.0) for how in EXPECTED]
    local_grace, local.GRACE = local.GRACE, 0.3
    with Stopping() as stopping, ForkServer(environment(1)) as server:
        ended = [e for e in execute(server, requests, slots=2, stopping=stopping) if not isinstance(e, Started)]
        left = [child for child in psutil.Process().children(recursive=True) if child.status() != "zombie"]
    local.GRACE = local_grace
    how_of = {request.trial.id: how for how, request in zip(EXPECTED, requests, strict=True)}
    return {how_of[outcome.request.trial.id]: outcome for outcome in ended}, left


@pytest.mark.parametrize("how", EXPECTED)
def test_each_way_to_end_has_its_status_and_reason(outcomes, how):
    result = outcomes[0][how].result
    status, reason = EXPECTED[how]
    assert result.status == status
    assert reason in result.reason


def test_nothing_but_the_server_is_left(outcomes):
    assert len(outcomes[1]) == 1


def test_the_end_of_the_output_is_kept_and_bounded(outcomes):
    output = outcomes[0]["print"].output
    assert "Traceback" in output
    assert "words" in output
    assert len(output) <= 3000


def test_forked_and_spawned_children_answer_alike(tmp_path):
    catalog = plugins.load([HOSTILE])
    requests = [_request(catalog, tmp_path / str(spawn), "well", spawn=spawn) for spawn in (False, True)]
    with Stopping() as stopping, ForkServer(environment(1)) as server:
        events = list(execute(server, requests, slots=2, stopping=stopping))
    answers = [event.result.answer for event in events if not isinstance(event, Started)]
    assert len(answers) == 2
    assert answers[0] == answers[1] != ""


def test_a_first_interrupt_lets_what_runs_finish_and_a_second_ends_it(tmp_path):
    catalog = plugins.load([HOSTILE])
    requests = [_request(catalog, tmp_path, "well", seed=seed) for seed in range(3)]
    requests.insert(1, _request(catalog, tmp_path, "hang"))
    ended = []
    with Stopping() as stopping, ForkServer(environment(1)) as server:
        for event in execute(server, requests, slots=2, stopping=stopping):
            if isinstance(event, Started) and event.request is requests[1]:
                os.kill(os.getpid(), signal.SIGINT)
            elif not isinstance(event, Started):
                ended.append(event)
                os.kill(os.getpid(), signal.SIGINT)
    assert [e.request.trial.seed for e in ended] == [0]
    assert stopping.aborting


def test_a_killed_parent_takes_every_process_with_it(tmp_path):
    program = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_isolation import HOSTILE, ForkServer, Stopping, environment, execute, plugins, _request
folder = Path({str(tmp_path)!r})
with Stopping() as stopping, ForkServer(environment(1)) as server:
    for event in execute(server, [_request(plugins.load([HOSTILE]), folder, "hang")], slots=1, stopping=stopping):
        print("started", flush=True)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    family = psutil.Process(parent.pid).children(recursive=True)
    while len(family) < 2:  # the fork server answers only once it has loaded torch
        family = psutil.Process(parent.pid).children(recursive=True)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    gone, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert len(gone) == 2
