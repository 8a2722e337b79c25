"""What a run on a cluster is made of: parcels, addresses, who is fit, and who runs where."""

import os
import subprocess
import sys

import pytest

from harness.errors import HarnessError
from harness.executors.remote import worker
from harness.executors.remote.address import require_dask, scheduler_address, warning
from harness.executors.remote.introduction import gpus
from harness.executors.remote.link import _reason
from harness.executors.remote.needs import differences
from harness.executors.remote.parcel import pack, unpack
from harness.executors.remote.places import Place, Places
from harness.trial import Subject, Trial


def test_what_travels_is_checked_and_comes_out_as_it_went_in():
    parcel = pack({"a": [1.5, float("inf"), "é\n"]}, b"\n\x00bytes")
    assert unpack(parcel) == ({"a": [1.5, float("inf"), "é\n"]}, b"\n\x00bytes")
    for damaged in (b"", parcel[:-1], parcel.replace(b"1.5", b"2.5"), pack({}).replace(b"{}", b"[]")):
        with pytest.raises(ValueError, match="checksum"):
            unpack(damaged)


@pytest.mark.parametrize("address", ["tls://10.0.0.1:8786", "tcp://127.0.0.1:1", "localhost:8786", "tcp://[::1]:8786"])
def test_an_encrypted_address_or_a_loopback_one_is_safe(address):
    assert not warning(scheduler_address(address))


@pytest.mark.parametrize("address", ["10.0.0.1:8786", "ws://node7:80", "tcp://192.168.0.9:1"])
def test_an_address_others_can_listen_to_is_warned_of(address):
    assert "neither encrypted nor on this machine" in warning(scheduler_address(address))


@pytest.mark.parametrize(
    "address", ["node7", "http://node7:80", "tcp://:80", "tcp://node7:0", "tcp://node7:x", "", "::"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(HarnessError, match="wanted a scheduler's address"):
        scheduler_address(address)


def test_a_worker_whose_plugins_hang_says_so(monkeypatch):
    monkeypatch.setattr(worker, "INTRODUCING", 0.5)
    files = [("hangs.py", "import threading\n\nthreading.Event().wait()\n")]
    found = worker._introduction({"tasks": [], "device": "cpu"}, files, os.environ)
    assert found == {"failed": "its plugins were not imported within 0.5 s"}


def test_without_dask_the_command_that_installs_it_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(HarnessError, match=r"pip install 'cell-harness\[dask\]'"):
        require_dask()


def test_nobody_imports_dask_who_is_not_asked_to():
    program = (
        "import sys, harness.runner, harness.executors.dask, harness.cli.run\n"
        "assert not {'distributed', 'dask', 'torch'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_worker_that_lacks_a_plugin_is_told_of_the_plugin_not_of_all_it_offers():
    here = {"the harness": "1", "plugin cells": "2", "cell rnn": "by cells", "cell gru": "by cells"}
    assert differences(here, {"the harness": "1"}) == ["plugin cells: none there, 2 here"]
    assert differences(here, here | {"cell gru": "by mine"}) == ["cell gru: by mine there, by cells here"]
    assert differences(here, here | {"plugin more": "3"}) == []


def test_a_recorded_reason_names_no_address():
    worker = "<WorkerState 'tcp://10.0.0.7:41', name: 3>"
    assert _reason(OSError(f"killed {worker}\nmore")) == "OSError: killed <WorkerState 'an address', name: 3>"


def place(address, host, machine, slots, gpus=0, torch="2"):
    told = {"host": host, "fingerprint": machine, "facts": {"torch": torch, "numpy": "2"}}
    return Place.of(address, told | {"slots": slots, "gpus": [str(n) for n in range(gpus)]})


def trial(measure, device="cpu"):
    return Trial(measure=measure, cell=Subject(name="rnn", version=1), backend="torch", device=device)


def test_what_rests_on_a_machine_goes_to_one_kind_and_a_timing_has_its_host_for_itself():
    places = Places()
    for one in (place("a", "h1", "x", 2), place("b", "h1", "x", 3), place("c", "h2", "y", 4)):
        places.admit(one)
    assert places.choose_machine() == []
    assert list(places.machines) == ["x", "y"], "x has five slots, y four"
    assert places.for_trial(trial("accuracy"), alone=False).address == "c"
    assert places.for_trial(trial("memory"), alone=False).address == "b"
    timed = places.for_trial(trial("speed"), alone=True)
    assert timed.address == "b"
    assert timed.take(trial("speed"), alone=True) == {"slots": 3, "gpus": 0}
    assert places.for_trial(trial("speed"), alone=True) is None, "the other worker is on the same host"


def test_a_run_says_what_it_waits_for_when_the_machine_it_began_on_has_gone():
    places = Places()
    for one in (place("a", "h1", "x", 2), place("b", "h2", "y", 1)):
        places.admit(one)
    places.choose_machine()
    assert not places.lacking()
    del places.by_address["a"]
    assert "one of the kind it began on" in places.lacking()
    assert places.for_trial(trial("accuracy"), alone=False).address == "b"
    assert places.for_trial(trial("memory"), alone=False) is None
    del places.by_address["b"]
    assert places.lacking() == "; waiting for another"


def test_workers_whose_answers_would_rest_on_another_torch_are_told_apart():
    places = Places()
    for one in (place("a", "h1", "x", 2), place("b", "h2", "y", 1, torch="3")):
        places.admit(one)
    assert [other.address for other in places.choose_machine()] == ["b"]
    assert list(places.machines) == ["x"]
    assert places.unlike(place("c", "h3", "z", 9, torch="3")) == ["torch: 3 there, 2 on the others"]


def test_a_trial_on_cuda_takes_a_gpu_and_waits_where_none_is_free():
    places = Places()
    places.admit(place("a", "h1", "x", 8, gpus=1))
    places.choose_machine()
    first = places.for_trial(trial("accuracy", "cuda"), alone=False)
    taken = first.take(trial("accuracy", "cuda"), alone=False)
    assert taken == {"slots": 1, "gpus": 1}
    assert places.for_trial(trial("accuracy", "cuda"), alone=False) is None
    assert places.for_trial(trial("accuracy"), alone=False) is first
    first.give_back(taken)
    assert places.for_trial(trial("accuracy", "cuda"), alone=False) is first


def test_a_workers_gpus_are_those_it_may_see(tmp_path):
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert gpus({}, tmp_path) == ["0", "1"]
    assert gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-5f"}, tmp_path) == ["3", "GPU-5f"]
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}, tmp_path) == gpus({"CUDA_VISIBLE_DEVICES": "-1"}, tmp_path) == []
