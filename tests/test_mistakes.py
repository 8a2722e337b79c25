"""A user's mistake, whatever the verb: what was wanted, what was found, before anything runs."""

import pytest

from harness.cli import harness
from harness.errors import HarnessError

REVISION = ("compare", "rnn@eager", "--base")


def refused(*arguments):
    with pytest.raises(HarnessError) as error:
        harness.main(arguments, standalone_mode=False)
    assert not error.value.detail, "nobody else's code has run"
    return error.value.message


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare", "lstm", "gru", "--dtype", "float8"], "wanted a dtype (bfloat16, float16, float32"),
        (["compare", "lstm", "gru", "--budget", "-1"], "wanted a budget above 0 seconds, found -1"),
        (["compare", "lstm", "gru", "--budget", "nan"], "wanted a budget above 0 seconds, found nan"),
        (["compare", "lstm", "gru", "--threads", "4096"], "this process may use, found 4096"),
        (["compare", "lstm", "gru@nothing"], "wanted a backend (eager, fused, numpy, torch), found 'nothing'"),
        (["compare", "lstm", "gru", "--shape", "B0,T3,H4,I2"], "wanted batch above 0, found 0"),
        ([*REVISION, "HEAD", "--threads", "4096"], "this process may use, found 4096"),
        ([*REVISION, "HEAD", "--measures", "accuracy"], "wanted speed or memory to compare with a revision"),
        ([*REVISION, "-v"], "found '-v'"),
        (["doctor", "--results", "/dev/null/results"], "cannot write to /dev/null/results/machines"),
        (["replay", "0123", "--timeout", "nan"], "wanted a timeout above 0 s, found nan"),
        (["run", "--memory-limit", "nan"], "wanted a memory limit above 0 GiB, found nan"),
        (["run", "--timeout", "inf"], "wanted a timeout above 0 s, found inf"),
        (["plan", "--seeds", "1000000000"], "wanted at most 250,000 trials of adding[length=40] in one run, found"),
        (["run", "--scheduler", "node7"], "wanted a scheduler's address (tcp, ws, tls, wss), found 'node7'"),
        (["run", "--scheduler", "tcp://[::1]:1", "--executor", "local"], "wanted --executor dask beside --scheduler"),
    ],
)
def test_a_mistake_is_told_in_words(arguments, said):
    assert said in refused(*arguments)


def test_a_plugin_file_has_no_revisions(mgu_file):
    assert f"found --plugin {mgu_file}" in refused(*REVISION, "HEAD", "--plugin", str(mgu_file))


@pytest.mark.parametrize("arguments", [["run"], ["plan"], ["compare", "lstm", "gru"]])
def test_a_missing_device_is_told_before_anything_runs(monkeypatch, arguments):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "wanted a CUDA device, found none: CUDA_VISIBLE_DEVICES hides" in refused(*arguments, "--device", "cuda")


def test_a_missing_git_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "wanted git" in refused(*REVISION, "HEAD")
