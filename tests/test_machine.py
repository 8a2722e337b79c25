"""Provenance: facts name no person, what matters for speed is in the fingerprint, machines are never mixed silently."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from harness import load, machine, store
from harness.basis import basis_of
from harness.description import Planned
from harness.processor import cpu_quota, processor
from harness.record import Measured, Record, Status
from harness.report.findings import findings
from harness.settings import LayerShape, ModelSettings, TrainingSettings
from harness.software import commit_of
from harness.trial import Subject, Trial

RNN = Subject(name="rnn", version=1)
SHAPE = LayerShape(batch=1, length=2, hidden=3, inputs=4)
MEMORY = Trial(measure="memory", cell=RNN, backend="torch", shape=SHAPE)
SPEED = Trial(measure="speed", cell=RNN, backend="torch", shape=SHAPE, versus="eager")


@pytest.fixture(scope="module")
def facts():
    return machine.facts()


def tree(root: Path, **files: str) -> Path:
    for name, text in files.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def facts_elsewhere(first: str = "", **variables: str) -> dict[str, object]:
    """The facts as a fresh process sees them, in an environment with these variables and no others of ours.

    `first`: what it imports before.
    """
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    program = f"import json{first}; from harness import machine; print(json.dumps(machine.facts()))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=kept | variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def changed(fact):
    return (
        [*fact, "more"] if isinstance(fact, list) else {**fact, "A": "b"} if isinstance(fact, dict) else f"not {fact}"
    )


NOT_OF_TIMES = (
    *("commit", "difference", "memory_bytes", "pools", "cell_harness", "memray", "pandas", "pluggy", "scipy"),
    *("threadpoolctl", "nvidia_cublas", "nvidia_cublas_cu12", "nvidia_cudnn_cu12", "nvidia_cudnn_cu13", "nvidia_ml_py"),
)
"""All that is recorded and not in the fingerprint; of what this list lacks no name may be missing there."""


def test_the_fingerprint_changes_with_what_matters_and_with_nothing_else(facts):
    for name, fact in facts.items():
        same = machine.fingerprint(facts | {name: changed(fact)}) == machine.fingerprint(facts)
        assert same == (name not in machine.FINGERPRINT), name
    assert facts.keys() - {*machine.FINGERPRINT} == {*NOT_OF_TIMES}
    with_a_gpu = facts | {"gpu": "NVIDIA H100 PCIe, 580.1"}
    newer = with_a_gpu | {"nvidia_cudnn_cu13": "10.0"}
    assert machine.fingerprint(newer) != machine.fingerprint(with_a_gpu)
    visible = facts | {"variables": facts["variables"] | {"CUDA_VISIBLE_DEVICES": "3"}}
    assert machine.fingerprint(visible) == machine.fingerprint(facts)


def test_the_fingerprint_is_the_same_whatever_was_imported_before():
    alone, among_others = facts_elsewhere(HOME="/"), facts_elsewhere(", torch, scipy.linalg", HOME="/")
    assert machine.fingerprint(alone) == machine.fingerprint(among_others)


def test_facts_name_no_user_no_host_and_no_home():
    found = facts_elsewhere(
        HOME="/somewhere/zaphod",
        USER="zaphod",
        LOGNAME="zaphod",
        TORCH_HOME="/somewhere/zaphod/torch",
        MALLOC_CONF=f"prof_prefix:/data/zaphod/{platform.node()}/prof",
        SECRET_TOKEN="beeblebrox",
    )
    assert found["variables"]["TORCH_HOME"] == "~/torch"
    assert found["variables"]["MALLOC_CONF"] == "prof_prefix:/data/user/host/prof"
    told = json.dumps(found)
    assert "zaphod" not in told
    assert "beeblebrox" not in told


@pytest.mark.skipif(platform.machine() != "x86_64", reason="OpenBLAS knows these kernels on x86-64 only")
def test_a_preset_blas_kernel_makes_another_machine():
    one, other = (facts_elsewhere(HOME="/", OPENBLAS_CORETYPE=kernel) for kernel in ("Nehalem", "Sandybridge"))
    if "openblas" not in one["blas"]:
        pytest.skip("this NumPy has another BLAS")
    assert one["blas"] != other["blas"]
    assert machine.fingerprint(one) != machine.fingerprint(other)


def test_what_the_system_tells_is_read_where_it_stands(tmp_path):
    found = processor(
        tree(
            tmp_path,
            proc__cpuinfo="model name : A CPU\nflags : b a hypervisor\n\nmodel name : other",
            proc__meminfo="MemTotal: 25000000 kB",
            proc__self__personality="00040000",
            proc__sys__kernel__randomize_va_space="2",
            sys__devices__system__cpu__smt__active="1",
            sys__devices__system__cpu__intel_pstate__no_turbo="1",
            sys__devices__system__cpu__cpu0__cpufreq__scaling_governor="powersave",
            sys__devices__system__cpu__cpu1__cpufreq__scaling_governor="performance",
            sys__kernel__mm__transparent_hugepage__enabled="always [madvise] never",
            sys__devices__system__clocksource__clocksource0__current_clocksource="hpet",
        )
    )
    wanted = {
        "cpu": "A CPU",
        "hypervisor": True,
        "memory_bytes": 25_600_000_000,
        "memory_class": "32 GiB",
        "smt": "on",
        "turbo": "off",
        "governor": "performance,powersave",
        "huge_pages": "madvise",
        "address_layout": "fixed",
        "clocksource": "hpet",
        "cpu_quota": None,
    }
    assert {name: found[name] for name in wanted} == wanted


def test_where_the_system_tells_nothing_there_are_still_facts(tmp_path):
    assert processor(tmp_path)["governor"] == ""


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({"proc__self__cgroup": "0::/a/b", "sys__fs__cgroup__a__cpu.max": "150000 100000"}, 1.5),
        ({"proc__self__cgroup": "0::/a/b", "sys__fs__cgroup__a__b__cpu.max": "max 100000"}, None),
        ({"proc__self__cgroup": "0::/gone", "sys__fs__cgroup__cpu.max": "400000 100000"}, 4.0),
        (
            {
                "proc__self__cgroup": "4:cpu,cpuacct:/a\n0::/",
                "sys__fs__cgroup__cpu,cpuacct__a__cpu.cfs_quota_us": "50000",
                "sys__fs__cgroup__cpu,cpuacct__a__cpu.cfs_period_us": "100000",
            },
            0.5,
        ),
        (
            {
                "proc__self__cgroup": "1:cpu:/",
                "sys__fs__cgroup__cpu__cpu.cfs_quota_us": "-1",
                "sys__fs__cgroup__cpu__cpu.cfs_period_us": "100000",
            },
            None,
        ),
    ],
)
def test_the_quota_of_either_version_of_control_groups_is_found(tmp_path, files, quota):
    assert cpu_quota(tree(tmp_path, **files)) == quota


def test_a_commit_comes_with_a_digest_of_what_differs_from_it(tmp_path):
    def git(*arguments):
        names = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *names, *arguments], check=True, capture_output=True)

    git("init")
    source, unowned = tmp_path / "source", tmp_path / ".venv" / "site-packages"
    tree(source, file="one"), tree(unowned, file="two")
    git("add", "source")
    git("commit", "-m", "first")
    clean, nothing = commit_of(source)
    assert clean
    assert nothing == ""
    assert commit_of(unowned) == ("", "")
    digests = set()
    for text in ("a", "b", "a"):
        tree(source, file=text)
        commit, difference = commit_of(source)
        assert commit == f"{clean}-dirty"
        digests.add(difference)
    assert len(digests) == 2


def test_time_and_memory_rest_on_the_machine_and_training_does_not(catalog, facts):
    other = facts | {"cpu": "another"}
    training = Trial(
        measure="accuracy",
        cell=RNN,
        backend="torch",
        task=Subject(name="adding", version=1),
        model=ModelSettings(),
        training=TrainingSettings(),
        seed=0,
    )
    for trial, rests in ((MEMORY, True), (SPEED, True), (training, False)):
        digests = {basis_of(trial, catalog, found).digest for found in (facts, other, facts | {"pools": []})}
        assert len(digests) == (2 if rests else 1)


def test_records_of_another_machine_are_left_out_or_labelled(catalog, facts, tmp_path):
    here, there = facts, facts | {"cpu": "another"}
    gate = Trial(measure="conformance", cell=RNN, backend="torch")
    for number, found in enumerate((there, here)):
        described = {"grid": {"name": "g"}, "facts": found | {"fingerprint": machine.fingerprint(found)}}
        with store.Results(tmp_path) as results:
            writer = store.RunWriter(results.new_run(f"{number}"))
            entries = [Planned(trial=t, basis=basis_of(t, catalog, found).digest) for t in (gate, MEMORY)]
            writer.describe(described, entries, ())
            for entry in entries if found is there else []:
                made = {"train_peak_bytes": Measured(1.0, "bytes"), "worst": Measured(0.1)}
                writer.write(Record(trial=entry.trial, status=Status.OK, basis=entry.basis, values=made))
            writer.close()
    view = store.read_run(tmp_path)
    assert set(view.records) == {gate.id}, "a memory of another machine stands in this machine's table"
    (told,) = (sentence for sentence in findings(view) if "several machines" in sentence)
    assert f"this run's is {machine.fingerprint(here)}, 1 from {machine.fingerprint(there)}" in told
    assert not any("several machines" in sentence for sentence in findings(store.read_run(tmp_path, "0")))
    assert set(load(tmp_path)["fingerprint"]) == {machine.fingerprint(there)}
