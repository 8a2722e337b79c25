"""The fuzzing of tests/test_fuzz.py, long, and strange plugins not only planned but run: `make faults`."""

from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings

from fuzzing import GRID_FILES, command_lines, plugin_files, told, told_of_file

SMALL = b"""
measures = ["accuracy", "memory"]
backends = ["eager", "fused"]
seeds = 1
timeout = 20
[[accuracy]]
task = "adding[length=4]"
model = { hidden = 3 }
training = { steps = 2, evaluate_every = 1, validation = 4, test = 4 }
[[memory]]
shape = { batch = 2, length = 3, hidden = 4, inputs = 2 }
"""


many = partial(settings, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_bytes(SMALL)


@many(max_examples=2000)
@given(command_lines())
def test_no_command_line_shows_a_traceback(arguments):
    told(arguments)


@many(max_examples=5000)
@given(GRID_FILES)
def test_no_grid_file_shows_a_traceback(content):
    told_of_file("plan", "--grid", "grid.toml", content)


@many(max_examples=500)
@given(plugin_files())
def test_no_plugin_file_shows_a_traceback(content):
    told_of_file("plan", "--plugin", "strange.py", content, "--cells", "all", "--match", "parameters", "--seeds", "1")


@many(max_examples=20)
@given(plugin_files())
def test_a_grid_with_a_strange_plugin_runs_to_its_end(content):
    said = told_of_file("run", "--plugin", "strange.py", content, "--grid", "small.toml", "--cells", "rnn,strange")
    assert "Traceback" not in said
