"""The driver stays inside its arrays, on shapes that no vector's width divides."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.backend import LayerPlan
from harness_fused import compiler
from harness_fused.kernel import kernel_of

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

# Without the processor's widest vectors, whose masked loads and stores a sanitizer does not watch.
FLAGS = ("-std=c++17", "-O0", "-fsanitize=address", "-Wno-psabi", "-pthread", "-I", str(compiler.DRIVER))
MAIN = (Path(__file__).parent / "kernels" / "sanitized.cpp").read_text(encoding="utf-8")


def sanitized(folder, text):
    """The compiler's and, where that went well, the program's answer."""
    source, program = folder / "main.cpp", folder / "main"
    source.write_text(text, encoding="utf-8")
    built = subprocess.run([*compiler.compiler(), *FLAGS, source, "-o", program], capture_output=True, text=True)
    return subprocess.run([program], capture_output=True, text=True) if built.returncode == 0 else built


@pytest.fixture(scope="module")
def texts(cells, tmp_path_factory):
    """By cell and number format; vectors of 16 bytes hold four numbers of one, two of the other."""
    if sanitized(tmp_path_factory.mktemp("empty"), "int main() {}").returncode:
        pytest.skip("the compiler has no AddressSanitizer")
    pairs = (("gru_reset_before", "float32"), ("gru_reset_before", "float64"), ("peephole_lstm", "float64"))
    return {pair: kernel_of(cells[pair[0]], LayerPlan(inputs=3, hidden=5, dtype=pair[1])).text + MAIN for pair in pairs}


def test_no_byte_outside_its_arrays_is_touched(texts, tmp_path):
    for pair, text in texts.items():
        done = sanitized(tmp_path, text)
        assert done.returncode == 0, (pair, done.stderr)


def test_one_number_too_few_is_noticed(texts, tmp_path):
    text = texts["gru_reset_before", "float32"]
    shorter = text.replace("Array kept(T * B * Cell::KEPT_TRAIN * H)", "Array kept(T * B * Cell::KEPT_TRAIN * H - 1)")
    assert "heap-buffer-overflow" in sanitized(tmp_path, shorter).stderr


def fences(*arguments):
    command = [sys.executable, str(Path(__file__).parent / "fenced.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def test_nothing_is_touched_between_the_arrays_of_the_python_side():
    done = fences()
    assert done.returncode == 0, done.stderr


def test_packed_weights_that_are_too_short_are_noticed():
    assert fences("--short").returncode == -signal.SIGSEGV
