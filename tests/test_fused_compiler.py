"""Libraries are compiled once, whole or not at all, whoever asks."""

import subprocess
import sys

import pytest

from harness import plugins
from harness.errors import HarnessError
from harness_fused import FusedBackend, compiler

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

TEXT = 'extern "C" int answer() {{ return {number}; }}'


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    compiler._open.cache_clear()
    yield tmp_path / "cache" / "fused"
    compiler._open.cache_clear()


def test_a_text_is_compiled_once_and_another_text_apart(cache):
    assert compiler.load(TEXT.format(number=1)).answer() == 1
    (first,) = cache.iterdir()
    written = first.stat().st_mtime_ns
    compiler._open.cache_clear()
    assert compiler.load(TEXT.format(number=1)).answer() == 1
    assert compiler.load(TEXT.format(number=2)).answer() == 2
    assert first.stat().st_mtime_ns == written
    assert len([*cache.iterdir()]) == 2


@pytest.mark.parametrize("damage", [slice(100), slice(0), slice(None, -1)], ids=["half", "empty", "short"])
def test_a_damaged_library_is_compiled_anew(cache, damage):
    text = TEXT.format(number=3)
    path = cache / "never"
    assert subprocess.run([sys.executable, "-c", SCRIPT, text]).returncode == 3  # in a process that ends
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[damage])
    assert compiler.load(text).answer() == 3
    assert compiler._whole(path)


SCRIPT = "import sys; from harness_fused import compiler; sys.exit(compiler.load(sys.argv[1]).answer())"


def test_processes_that_ask_at_once_all_get_it(cache):
    text = TEXT.format(number=5)
    processes = [subprocess.Popen([sys.executable, "-c", SCRIPT, text]) for _ in range(4)]
    assert [process.wait() for process in processes] == [5] * 4
    assert len([*cache.iterdir()]) == 1  # and nothing half-done is left


def test_a_folder_that_cannot_be_written_costs_the_cache_alone(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    assert compiler.load(TEXT.format(number=7)).answer() == 7


def test_a_folder_where_no_program_may_run_costs_the_cache_alone(cache, monkeypatch):
    def refused_from_the_cache(name):
        if name.startswith(str(cache)):
            raise OSError("failed to map segment from shared object")
        return loader(name)

    loader = compiler.ctypes.CDLL
    monkeypatch.setattr(compiler.ctypes, "CDLL", refused_from_the_cache)
    assert compiler.load(TEXT.format(number=9)).answer() == 9


def test_a_library_that_can_be_loaded_from_nowhere_is_told_in_words(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(compiler.tempfile, "tempdir", str(tmp_path / "nowhere"))
    with pytest.raises(HarnessError, match="could not be kept"):
        compiler.load(TEXT.format(number=10))


def test_what_does_not_compile_is_said_in_the_compilers_words():
    with pytest.raises(HarnessError, match="nonsense"):
        compiler.load("nonsense")


def test_without_a_compiler_the_backend_says_so_and_others_go_on(tmp_path, monkeypatch):
    lstm = plugins.load().cells["lstm"].value
    assert FusedBackend().why_not(lstm, "cpu", "float32") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    assert "no C++ compiler" in (FusedBackend().why_not(lstm, "cpu", "float32") or "")
    with pytest.raises(HarnessError, match="found none"):
        compiler.load(TEXT.format(number=8))


def test_a_compiler_may_be_named_in_several_words(cache, tmp_path, monkeypatch):
    (program,) = compiler.compiler()
    noted = tmp_path / "noted"
    launcher = tmp_path / "launcher"
    launcher.write_text(f'#!/bin/sh\necho "$1" >> {noted}\nexec "$@"\n')
    launcher.chmod(0o755)
    monkeypatch.setenv("CXX", f"{launcher} {program}")
    assert compiler.compiler() == (str(launcher), program)
    assert compiler.load(TEXT.format(number=6)).answer() == 6
    assert set(noted.read_text().split()) == {program}
    for unusable in ("no-such-compiler -m64", 'g++ "', " "):
        monkeypatch.setenv("CXX", unusable)
        assert compiler.compiler() == (program,)
    apart = tmp_path / "a folder" / "launcher"
    apart.parent.mkdir()
    launcher.rename(apart)
    monkeypatch.setenv("CXX", str(apart))
    assert compiler.compiler() == (str(apart),)


def test_list_says_why_the_backend_is_absent(command, tmp_path):
    listed = command("list", "backends", PATH=str(tmp_path), CXX="")
    assert listed.returncode == 0
    assert "not: no C++ compiler was found" in listed.stdout
    assert "options: recompute=none" in listed.stdout


def test_asking_why_not_imports_no_torch():
    script = (
        "import sys; from harness import plugins; from harness_fused import FusedBackend;"
        "cell = plugins.load().cells['gru'].value; FusedBackend().why_not(cell, 'cpu', 'float32');"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
