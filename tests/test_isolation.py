"""One trial, one child: forked or spawned, ended by an interrupt or with its parent."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from harness import plugins
from harness.executors.local import Started, execute
from harness.executors.stopping import Stopping
from harness.isolation.client import ForkServer, environment
from harness.isolation.request import Request
from harness.settings import ModelSettings, TrainingSettings
from harness.spelling import parse
from harness.trial import Subject, Trial

HOSTILE = Path(__file__).parent / "plugins" / "hostile.py"


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


def test_forked_and_spawned_children_answer_alike(tmp_path):
    catalog = plugins.load([HOSTILE])
    requests = [_request(catalog, tmp_path / str(spawn), "well", spawn=spawn) for spawn in (False, True)]
    with Stopping() as stopping, ForkServer(environment(1)) as server:
        events = []
        for event in execute(server, requests, slots=2, stopping=stopping):
            assert server.ready, "a trial's clock ran while the server imported"
            events.append(event)
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
asked = _request(plugins.load([HOSTILE]), Path({str(tmp_path)!r}), "leave_a_daemon_and_hang")
with Stopping() as stopping, ForkServer(environment(1)) as server:
    for event in execute(server, [asked], slots=1, stopping=stopping):
        print("started", flush=True)
"""
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    (server,) = psutil.Process(parent.pid).children()
    while len(server.children()) < 2:  # the trial, and its daemon, which the server has adopted
        pass
    family = [server, *server.children(recursive=True)]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert not psutil.wait_procs(family, timeout=20)[1]
