"""Compiles generated texts with the plain driver, and compares whole sequences with autograd of the same step."""

import ctypes
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from harness.cell import Cell
from harness.ops import TorchOps
from harness.unroll import unroll
from harness_fused.recurrence import Matrix, Recurrence, X
from harness_fused.source import emit
from harness_fused.tracing import trace

GIVEN = ("x", "wx", "w", "bias", "vector", "d_y")
WRITTEN = ("states", "inferred", "d_state", "d_x", "d_wx", "d_w", "d_bias", "d_vector")


class Arguments(ctypes.Structure):
    """`Sequence` of plain.hpp."""

    _fields_ = (
        *[(name, ctypes.c_long) for name in "TBIH"],
        *[(name, ctypes.c_void_p) for name in (*GIVEN, *WRITTEN)],
    )


@dataclass(frozen=True)
class Answer:
    """Outputs and gradients of one sequence, by name."""

    values: Mapping[str, np.ndarray]

    def distance(self, other: "Answer") -> dict[str, float]:
        """The largest difference of each value, relative to the value's largest element (at least 1)."""
        assert self.values.keys() == other.values.keys()
        return {
            name: float(
                np.max(np.abs(value - other.values[name]), initial=0.0) / max(1.0, np.max(np.abs(value), initial=0))
            )
            for name, value in self.values.items()
        }


def compile_plain(cells: Mapping[str, Cell], folder: Path) -> ctypes.CDLL:
    """One library with `run_<name>` for every cell. Raises CalledProcessError where a text does not compile."""
    texts = [f"namespace {name} {{\n{emit(trace(cell, 3, 5), name)}}}\nPLAIN({name})\n" for name, cell in cells.items()]
    # Without internal linkage glibc shares the constants of equally named cells among all libraries of the process.
    source = folder / "cells.cpp"
    source.write_text('#include "plain.hpp"\nnamespace {\n' + "\n".join(texts) + "}\n", encoding="utf-8")
    include = f"-I{Path(__file__).parent}"
    flags = ["-std=c++17", "-O0", "-Wall", "-Werror", "-Wno-unused-variable", "-shared", "-fPIC", include]
    subprocess.run(["g++", *flags, str(source), "-o", str(folder / "cells.so")], check=True)
    return ctypes.CDLL(str(folder / "cells.so"))


@dataclass(frozen=True)
class Question:
    """Inputs, weights, states and cotangents of a sequence, float64, drawn from the seed."""

    cell: Cell
    T: int
    B: int
    I: int
    H: int
    seed: int = 0

    def draw(self) -> dict[str, np.ndarray]:
        """`p.<name>`: parameters; x, state, d_y, d_final."""
        rng = np.random.default_rng(self.seed)
        S = len(self.cell.states(self.I, self.H))
        shapes = {f"p.{name}": shape for name, shape in self.cell.parameters(self.I, self.H).items()}
        shapes |= {"x": (self.T, self.B, self.I), "state": (S, self.B, self.H)}
        shapes |= {"d_y": (self.T, self.B, self.H), "d_final": (S, self.B, self.H)}
        return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}


def by_autograd(question: Question) -> Answer:
    """What torch's autograd of the cell's own step says."""
    given = {name: torch.tensor(value, requires_grad=True) for name, value in question.draw().items()}
    p = {name[2:]: value for name, value in given.items() if name.startswith("p.")}
    outputs, final = unroll(question.cell, TorchOps(), p, given["x"], tuple(given["state"]))
    y, last = torch.stack(outputs), torch.stack(final)
    loss = (y * given["d_y"].detach()).sum() + (last * given["d_final"].detach()).sum()
    wanted = {name: given[name] for name in given if name not in ("d_y", "d_final")}
    found = torch.autograd.grad(loss, list(wanted.values()), allow_unused=True, materialize_grads=True)
    gradients = {f"d {name}": value.numpy() for name, value in zip(wanted, found, strict=True)}
    return Answer({"y": y.detach().numpy(), "final": last.detach().numpy(), **gradients})


def by_kernel(question: Question, run: "ctypes._FuncPointer") -> Answer:
    """What the generated text says. `run`: its function in the library."""
    T, B, I, H, given = question.T, question.B, question.I, question.H, question.draw()
    r = trace(question.cell, I, H)
    A, O, S = len(r.accumulators), len(r.operands), len(r.next)
    arrays = {"x": given["x"], "d_y": given["d_y"], **_weights(r, given)}
    arrays |= {"states": np.full((T + 1, B, S, H), np.nan), "inferred": np.full((T, B, H), np.nan)}
    arrays["states"][0] = given["state"].swapaxes(0, 1)
    arrays |= {"d_state": given["d_final"].swapaxes(0, 1).copy(), "d_x": np.zeros((T, B, I))}
    arrays |= {"d_wx": np.zeros((A, H, I)), "d_w": np.zeros((A, O, H, H))}
    arrays |= {"d_bias": np.zeros((A, H)), "d_vector": np.zeros((len(r.vectors), H))}
    assert all(array.flags.c_contiguous for array in arrays.values())
    run(ctypes.byref(Arguments(T, B, I, H, *(arrays[name].ctypes.data for name in (*GIVEN, *WRITTEN)))))
    y = arrays["states"][1:, :, 0]
    assert np.array_equal(y, arrays["inferred"])
    parameters = {f"d {name}": value for name, value in _gradients(r, given, arrays).items()}
    final, d_state = arrays["states"][-1].swapaxes(0, 1), arrays["d_state"].swapaxes(0, 1)
    return Answer({"y": y, "final": final, **parameters, "d x": arrays["d_x"], "d state": d_state})


def _view(array: np.ndarray, matrix: Matrix) -> np.ndarray:
    whole = array.T if matrix.transposed else array
    return whole[slice(*matrix.rows), slice(*matrix.columns)]


def _weights(r: Recurrence, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    wx = np.zeros((len(r.accumulators), r.hidden, r.inputs))
    w = np.zeros((len(r.accumulators), len(r.operands), r.hidden, r.hidden))
    bias = np.zeros((len(r.accumulators), r.hidden))
    for a, accumulator in enumerate(r.accumulators):
        for term in accumulator.terms:
            target = wx[a] if term.operand == X else w[a, term.operand]
            target += _view(given[f"p.{term.matrix.parameter}"], term.matrix)
        for part in accumulator.biases:
            bias[a] += given[f"p.{part.parameter}"][slice(*part.rows)]
    vectors = [given[f"p.{part.parameter}"][slice(*part.rows)] for part in r.vectors]
    return {"wx": wx, "w": w, "bias": bias, "vector": np.array(vectors).reshape(-1, r.hidden)}


def _gradients(
    r: Recurrence, given: Mapping[str, np.ndarray], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    found = {name: np.zeros_like(value) for name, value in given.items() if name.startswith("p.")}
    for a, accumulator in enumerate(r.accumulators):
        for term in accumulator.terms:
            gradient = arrays["d_wx"][a] if term.operand == X else arrays["d_w"][a, term.operand]
            target = _view(found[f"p.{term.matrix.parameter}"], term.matrix)
            target += gradient
        for part in accumulator.biases:
            found[f"p.{part.parameter}"][slice(*part.rows)] += arrays["d_bias"][a]
    for v, part in enumerate(r.vectors):
        found[f"p.{part.parameter}"][slice(*part.rows)] += arrays["d_vector"][v]
    return found
