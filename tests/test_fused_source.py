"""The generated text computes what the step computes, forward and backward, and can be read."""

import re
import shutil

import pytest

from harness_fused.source import emit, text_of
from harness_fused.tracing import trace

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")

LSTM = """\
    const S c = state[1];
    const S i = fn::sigmoid(acc[0]);
    const S f = fn::sigmoid(acc[1]);
    const S g = fn::tanh(acc[2]);
    const S o = fn::sigmoid(acc[3]);
    const S c_new = f * c + i * g;
    const S h_new = o * fn::tanh(c_new);
"""


@pytest.fixture(scope="module")
def library(cells, plain, tmp_path_factory):
    return plain.compile_plain(cells, tmp_path_factory.mktemp("kernels"))


@needs_compiler
@pytest.mark.parametrize("sizes", [(7, 3, 5, 6), (1, 1, 1, 1), (2, 2, 3, 3)], ids=str)
def test_every_cell_agrees_with_autograd_of_its_step(cells, plain, library, sizes):
    for name, cell in cells.items():
        question = plain.Question(cell, *sizes)
        found = plain.by_kernel(question, getattr(library, f"run_{name}"))
        distance = plain.by_autograd(question).distance(found)
        assert max(distance.values()) < 1e-12, (name, distance)


def test_the_text_reads_like_the_equation(cells):
    text = text_of(cells["lstm"])
    assert LSTM in text
    assert text.startswith("// i, f, o = σ(W_ih x + b_ih + W_hh h + b_hh), g = tanh(likewise)")


def test_the_text_does_not_depend_on_sizes(cells):
    for cell in cells.values():
        texts = {emit(trace(cell, I, H), "") for I, H in [(3, 5), (1, 1), (4, 4), (5, 1), (64, 128)]}
        assert len(texts) == 1, cell.about.name


def test_the_same_cell_gives_the_same_text_twice(cells):
    assert all(text_of(cell) == text_of(cell) for cell in cells.values())


def test_the_text_needs_nothing_but_its_scalar_type_and_its_operations(cells):
    for cell in cells.values():
        text = re.sub(r"//.*", "", text_of(cell))
        assert not re.search(r"std::|#|__|\bfloat\b|\bdouble\b", text), cell.about.name
        functions = set(re.findall(r"(\w+)\(", text)) - {"forward", "backward", "operands", "constexpr", "if"}
        assert functions <= {"sigmoid", "tanh", "relu", "select"}, cell.about.name
