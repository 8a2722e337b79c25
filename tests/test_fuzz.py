"""Whatever is typed, written into a grid or put into a plugin: an answer or words, never a traceback of ours."""

import pytest
from hypothesis import given, settings

from fuzzing import GRID_FILES, command_lines, plugin_files, told, told_of_file

few = settings(max_examples=20)


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@few
@given(command_lines())
def test_no_command_line_shows_a_traceback(arguments):
    told(arguments)


@few
@given(GRID_FILES)
def test_no_grid_file_shows_a_traceback(content):
    told_of_file("plan", "--grid", "grid.toml", content)


@few
@given(plugin_files())
def test_no_plugin_file_shows_a_traceback(content):
    told_of_file("plan", "--plugin", "strange.py", content, "--cells", "all", "--match", "parameters", "--seeds", "1")
