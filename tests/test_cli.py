"""The command line as a user meets it: data on stdout, the rest on stderr, no traceback for a user's mistake."""

import json

import pytest


def test_help_names_every_verb(command):
    done = command("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("run", "plan", "list", "show", "report"))


def test_list_says_what_runs_where_and_why_not(command):
    done = command("list", "backends")
    assert done.returncode == 0
    assert "gru_reset_before not: torch.nn has no gru_reset_before" in done.stdout


def test_list_shows_a_broken_plugin_with_its_reason(command, tmp_path):
    (tmp_path / "broken.py").write_text("import no_such_module")
    done = command("list", "cells", "--plugin", "broken.py")
    assert done.returncode == 0
    assert "lstm" in done.stdout
    assert "no_such_module" in done.stdout


def test_list_prints_one_json_object(command):
    done = command("list", "--json")
    assert {"schema", "cells", "backends", "tasks", "grids", "plugins", "missing"} <= json.loads(done.stdout).keys()


def test_plan_counts_what_is_new(command):
    done = command("plan", "--json", "--cells", "rnn")
    rows = json.loads(done.stdout)["trials"]
    assert rows
    assert {row["state"] for row in rows} == {"new"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--cells", "lstn"], "did you mean 'lstm'"),
        (["run", "--grid", "quik"], "did you mean 'quick'"),
        (["run", "--tasks", "adding[lenght=3]"], "did you mean 'length'"),
        (["run", "--set", "training.steps=many"], "wanted a whole number for training.steps, found 'many'"),
        (["run", "--no-such-flag"], "No such option"),
        (["walk"], "No such command"),
        (["list", "sells"], "sells"),
        (["show", "0123"], "wanted the id of one recorded trial"),
        (["report"], "wanted a run"),
        (["run", "--plugin", "absent.py"], "absent.py"),
    ],
)
def test_a_users_mistake_is_one_clear_line_and_exit_2(command, arguments, said):
    done = command(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


def test_a_terminal_without_unicode_gets_no_traceback(command):
    done = command("list", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "lstm" in done.stdout


def test_an_unwritable_results_folder_is_said_before_anything_runs(command, tmp_path):
    (tmp_path / "file").write_text("")
    done = command("run", "--results", "file/results")
    assert done.returncode == 2
    assert "cannot write to the results folder" in done.stderr


def test_show_prints_what_a_backend_runs_for_a_cell(command):
    done = command("show", "gru@eager")
    assert done.returncode == 0, done.stderr
    assert "def step(self, ops, p, x, state):" in done.stdout
    refused = command("show", "gru_reset_before@torch")
    assert refused.returncode == 2
    assert "torch.nn has no gru_reset_before" in refused.stderr
