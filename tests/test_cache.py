from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from harness import cache

CONTENT = {"numbers": np.arange(5, dtype=np.int32), "letters": np.full((2, 3), 7, dtype=np.uint8)}


class Builder:
    """Builds CONTENT and counts how often it was asked to."""

    def __init__(self):
        self.calls = 0

    def __call__(self):
        self.calls += 1
        return CONTENT


def assert_is_content(found):
    assert sorted(found) == sorted(CONTENT)
    for name, array in CONTENT.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)


@pytest.fixture(autouse=True)
def place(monkeypatch, tmp_path):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "not" / "yet"))
    return tmp_path / "not" / "yet"


def test_folder_is_own_variable_then_xdg_then_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "mine"))
    assert cache.folder() == tmp_path / "mine"
    monkeypatch.delenv("HARNESS_CACHE")
    assert cache.folder() == tmp_path / "cell-harness"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache.folder() == Path.home() / ".cache" / "cell-harness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder() == Path.home() / ".cache" / "cell-harness"


def test_content_is_built_once_for_each_key(place):
    build = Builder()
    for _ in range(3):
        assert_is_content(cache.arrays("thing", "ab12", build))
    assert build.calls == 1
    cache.arrays("thing", "cd34", build)
    assert build.calls == 2
    assert sorted(file.name for file in place.iterdir()) == ["thing-ab12.npz", "thing-cd34.npz"]


def test_any_damaged_byte_and_any_cut_is_noticed_and_the_file_rebuilt(place):
    cache.arrays("thing", "ab12", Builder())
    file = place / "thing-ab12.npz"
    whole = file.read_bytes()
    damaged = [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(0, len(whole), 7)]
    for content in [*damaged, *(whole[:length] for length in range(0, len(whole), 29)), whole + b"x", b"text\n"]:
        file.write_bytes(content)
        build = Builder()
        assert_is_content(cache.arrays("thing", "ab12", build))
        assert build.calls == 1
        assert_is_content(cache.arrays("thing", "ab12", build))
        assert build.calls == 1


def test_where_nothing_can_be_written_the_content_is_built_each_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "below"))
    build = Builder()
    for calls in (1, 2):
        assert_is_content(cache.arrays("thing", "ab12", build))
        assert build.calls == calls


def test_many_builders_at_once_leave_one_whole_file(place):
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: cache.arrays("thing", "ab12", Builder()), range(32)):
            assert_is_content(found)
    assert [file.name for file in place.iterdir()] == ["thing-ab12.npz"]


def test_a_failed_build_keeps_nothing(place):
    def build():
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        cache.arrays("thing", "ab12", build)
    assert not place.exists()
