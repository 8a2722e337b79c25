"""What the shell offers after Tab, by click's own protocol."""

import os
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from harness.cli import harness

PROGRAM = """
import sys
from harness.cli import main
sys.argv = ["harness"]
try:
    main()
except SystemExit:
    heavy = {"torch", "pandas", "matplotlib", "scipy", "jinja2"} & set(sys.modules)
    assert not heavy, heavy
"""


def offered(*words: str) -> list[str]:
    """The values offered for the last word."""
    completing = ShellComplete(harness, {}, "harness", "_HARNESS_COMPLETE")
    return [item.value for item in completing.get_completions([*words[:-1]], words[-1])]


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (["ru"], ["run"]),
        (["run", "--cells", "gr"], ["gru", "gru_reset_before"]),
        (["run", "--cells", "lstm,rn"], ["lstm,rnn"]),
        (["run", "--cells", "gru,gru_"], ["gru,gru_reset_before"]),
        (["run", "--cells", "rnn,lstm@f"], ["rnn,lstm@fused"]),
        (["plan", "--cells", "lstm["], ["lstm[forget_bias=none]", "lstm[forget_bias="]),
        (["run", "--cells", "lstm[forget_bias=1]@n"], ["lstm[forget_bias=1]@numpy"]),
        (["run", "--tasks", "g2p,adding[length=9,"], [f"g2p,adding[length=9,variant={end}" for end in ("halves]", "")]),
        (["run", "--tasks", "adding[length=9],c"], ["adding[length=9],copy_memory"]),
        (["run", "--grid", "de"], ["demo"]),
        (["plan", "--measures", "speed,m"], ["speed,memory"]),
        (["run", "--backends", "nu"], ["numpy"]),
        (["run", "--match", "par"], ["parameters"]),
        (["compare", "gru@t"], ["gru@torch"]),
        (["compare", "gru@torch", "gru@n"], ["gru@numpy"]),
        (["compare", "gru_reset_before@t"], []),
        (["show", "lstm@e"], ["lstm@eager"]),
        (["demo", "--lang", "k"], ["ko"]),
    ],
)
def test_names_lists_and_pairs_are_completed(words, values):
    assert offered(*words) == values


def test_what_stands_in_a_list_already_is_not_offered_again():
    assert "gru" not in [value.split(",")[-1] for value in offered("run", "--cells", "gru,")]


def test_a_cell_of_a_plugin_file_is_offered_once_the_file_is_named(mgu_file):
    assert offered("run", "--plugin", str(mgu_file), "--cells", "mg") == ["mgu"]
    assert offered("run", "--plugin", "absent.py", "--cells", "rn") == ["rnn"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_is_answered_without_a_heavy_import(shell):
    asked = {"_HARNESS_COMPLETE": f"{shell}_complete", "COMP_WORDS": "harness run --cells lst", "COMP_CWORD": "3"}
    asked["COMP_CWORD"] = "lst" if shell == "fish" else asked["COMP_CWORD"]
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env={**os.environ, **asked})
    assert done.returncode == 0, done.stderr
    assert "lstm" in done.stdout


def test_bash_is_told_to_leave_pairs_and_options_whole():
    asked = {**os.environ, "_HARNESS_COMPLETE": "bash_source"}
    done = subprocess.run([sys.executable, "-m", "harness"], capture_output=True, text=True, env=asked)
    assert "COMP_WORDBREAKS=${COMP_WORDBREAKS//@}" in done.stdout
    assert "complete -o nosort -F _harness_completion harness" in done.stdout
