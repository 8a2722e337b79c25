import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.bench.frequency import megahertz
from harness.isolation.client import environment
from harness.measures.speed import compare
from harness.settings import TimingSettings

PLUGINS = [Path(__file__).parent / "plugins" / name for name in ("toys.py", "cheats.py")]
PAIRS = TimingSettings().pairs

ASK = """
import json, os, sys, traceback
from pathlib import Path
from harness import plugins
from harness.isolation.server import preload
from harness.measures import Context, measure, speed
from harness.settings import LayerShape
from harness.trial import Subject, Trial

folder, questions = Path(sys.argv[1]), json.loads(sys.argv[2])
preload()
catalog = plugins.load([Path(file) for file in sys.argv[3:]])
cell, shape = Subject.of(catalog.cells["rnn"].value), LayerShape(batch=2, length=3, hidden=4, inputs=2)


def answer(name, question):
    trial = Trial(measure="speed", cell=cell, shape=shape, **question)
    try:
        found = measure(trial, Context(catalog=catalog, folder=folder))
        plain = {
            "values": {name: [m.value, m.unit, m.timed] for name, m in found.values.items()},
            "arrays": {name: array.tolist() for name, array in found.arrays.items()},
            "digest": found.digest(),
            "reason": f"{found.status}: {found.reason}",
        }
    except Exception:
        plain = {"raised": traceback.format_exc()}
    (folder / f"{name}.json").write_text(json.dumps(plain), "utf-8")


for name, question in questions.items():
    pid = os.fork()
    if pid == 0:
        try:
            answer(name, question)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
"""

QUESTIONS = {
    "plain": {"backend": "torch", "versus": "nothing"},
    "first": {"backend": "log", "versus": "log"},
    "second": {"backend": "log", "versus": "log"},
    "burn": {"backend": "burn", "versus": "nothing"},
    "burnt": {"backend": "nothing", "versus": "burn"},
    "fainted": {"backend": "nothing", "versus": "faint"},
    "threads": {"backend": "nothing", "versus": "torch", "threads": 2},
    "alone": {"backend": "nothing"},
} | {name: {"backend": name, "versus": "nothing"} for name in ("fail", "crash", "leave", "starve", "other", "faint")}
CHEATS = {
    "by_place": "y without gradients differs",
    "by_content": "on numbers it had not seen took",
    "tired": "gradient of",
}
QUESTIONS |= {name: {"backend": name, "versus": "nothing"} for name in (*CHEATS, "sloping", "kept_waiting")}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The answers to all questions, each from a fresh fork of a process on one thread that has computed nothing."""
    folder = tmp_path_factory.mktemp("speed")
    command = [sys.executable, "-W", "error", "-c", ASK, str(folder), json.dumps(QUESTIONS), *map(str, PLUGINS)]
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment(1) | {"TOY_LOG": str(folder / "log")}
    )
    assert done.returncode == 0, done.stderr
    found = {name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in QUESTIONS}
    calls = [line.split() for line in (folder / "log").read_text("utf-8").splitlines()]
    return found | {"calls": calls}


def test_raw_samples_are_kept_and_give_the_figures(answers):
    answer = answers["plain"]
    rounds = answer["values"]["rounds"][0]
    for mode in ("train", "forward"):
        samples = np.array(answer["arrays"][mode])
        assert samples.shape == (PAIRS, 2, rounds)
        assert (samples > 0).all()
        for name, measured in compare(samples).items():
            assert answer["values"][f"{mode}_{name}"] == [measured.value, measured.unit, True]


def test_what_no_clock_made_is_the_same_in_every_run(answers):
    first, second = answers["first"], answers["second"]
    assert first["arrays"] != second["arrays"]
    assert first["digest"] == second["digest"]
    assert first["values"]["parameters"][0] == 4 * 2 + 4 * 4 + 4 + 4


def test_both_sides_run_equally_often_in_fresh_processes_of_one_referee(answers):
    by_referee = {}
    for worker, referee, _ in answers["calls"]:
        by_referee.setdefault(referee, []).append(worker)
    assert len(by_referee) == 2, "one referee a trial"
    for name, calls in zip(("first", "second"), by_referee.values(), strict=True):
        values = answers[name]["values"]
        workers = dict.fromkeys(calls)
        assert len(workers) == 2 * PAIRS
        # The number of calls of a turn is drawn within a tenth.
        timed = values["rounds"][0] * sum(0.9 * values[f"{mode}_calls"][0] for mode in ("train", "forward"))
        fewest = min(calls.count(worker) for worker in workers)
        assert fewest >= timed + 2 * 3, "every turn, and at least three calls of warm-up in each mode"


def test_both_sides_of_a_pair_have_one_core_between_them(answers):
    """Threads are one; pairs follow each other, so a worker's partner is the one beside it."""
    cores = {worker: cores for worker, _, cores in answers["calls"]}
    found = [*cores.values()]
    assert len(found) == 2 * 2 * PAIRS
    assert all("," not in one for one in found)
    assert found[::2] == found[1::2]


def test_a_side_that_works_several_times_as_much_is_found_slower(answers):
    values = answers["burn"]["values"]
    for mode in ("train", "forward"):
        assert values[f"{mode}_speedup_high"][0] < 1
        assert values[f"{mode}_seconds"][0] > values[f"{mode}_versus_seconds"][0]


def test_a_side_is_found_faster_where_the_other_works_more(answers):
    assert answers["burnt"]["values"]["train_speedup_low"][0] > 1


def test_pools_of_another_size_are_refused(answers):
    message = answers["threads"]["raised"]
    assert "HarnessError: rnn@" in message
    assert "wanted every pool on 2 threads" in message


def test_what_a_layer_raises_arrives_with_its_traceback(answers):
    message = answers["fail"]["raised"]
    assert "WorkerFailed: rnn@fail: ValueError: no gates today" in message
    assert 'raise ValueError("no gates today")' in message


@pytest.mark.parametrize(
    ("backend", "message"),
    [
        ("crash", "WorkerFailed: rnn@crash ended by SIGSEGV"),
        ("leave", "WorkerFailed: rnn@leave ended with exit code 3"),
        ("starve", "MemoryError: rnn@starve: MemoryError: too much"),
        ("other", "wanted Toy.bare to compute what the layer does"),
        ("sloping", "wanted Loop.bare to compute what the layer does, found that gradient of"),
    ],
)
def test_a_worker_that_cannot_go_on_says_why(answers, backend, message):
    assert message in answers[backend]["raised"]


@pytest.mark.parametrize("backend", CHEATS)
def test_a_backend_that_spares_itself_the_work_is_rejected(answers, backend):
    assert answers[backend]["reason"].startswith(f"rejected: rnn@{backend} was timed, and then ")
    assert CHEATS[backend] in answers[backend]["reason"]


def test_a_backend_kept_from_the_processor_is_not_taken_for_a_cheat(answers):
    assert answers["kept_waiting"]["reason"] == "ok: "


def test_a_trial_without_the_other_side_is_refused(answers):
    assert "wanted a speed trial with the backend it is compared with" in answers["alone"]["raised"]


def test_the_first_call_is_a_figure_of_its_own(answers):
    values = answers["plain"]["values"]
    assert values["first_seconds"][0] > values["train_seconds"][0]
    assert values["first_seconds"][1:] == ["s", True]


def test_denormal_numbers_are_counted(answers):
    assert [answers[name]["reason"] for name in ("plain", "faint", "fainted")] == ["ok: "] * 3
    assert answers["plain"]["values"]["denormal_share"][0] == 0
    assert answers["faint"]["values"]["denormal_share"][0] > 0.01
    assert answers["faint"]["values"]["versus_denormal_share"][0] == 0
    assert answers["fainted"]["values"]["versus_denormal_share"][0] > 0.01


def test_the_processors_clock_is_noted_for_every_pair_or_said_to_be_unknown(answers):
    values, arrays = answers["plain"]["values"], answers["plain"]["arrays"]
    if np.isnan(megahertz()):
        assert values["cpu_mhz"] == [None, "MHz", True]
        assert "cpu_mhz" not in arrays
    else:
        clocks = np.array(arrays["cpu_mhz"])
        assert clocks.shape == (PAIRS, 2)
        assert values["cpu_mhz"][0] == np.median(clocks)
        assert values["cpu_mhz_least"][0] == clocks.min() > 0
