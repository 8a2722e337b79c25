"""The driver's functions agree with the C library's in higher precision, to a few units in the last place."""

import ctypes

import numpy as np
import pytest

from harness_fused import compiler

pytestmark = pytest.mark.skipif(compiler.compiler() is None, reason="there is no C++ compiler")

TEXT = """
#include "functions.hpp"
template <class S, class F> static void each(F f, const fn::Real<S>* in, fn::Real<S>* out, long count) {
  constexpr long step = sizeof(S) / sizeof(fn::Real<S>);
  for (long n = 0; n < count; n += step) { S a; memcpy(&a, in + n, sizeof a); a = f(a); memcpy(out + n, &a, sizeof a); }
}
#define EACH(name) \\
  extern "C" void name##_float(const float* in, float* out, long count, int wide) { \\
    if (wide) each<Floats>([](Floats a) { return fn::name(a); }, in, out, count); \\
    else each<float>([](float a) { return fn::name(a); }, in, out, count); \\
  } \\
  extern "C" void name##_double(const double* in, double* out, long count, int wide) { \\
    if (wide) each<Doubles>([](Doubles a) { return fn::name(a); }, in, out, count); \\
    else each<double>([](double a) { return fn::name(a); }, in, out, count); \\
  }
EACH(exp) EACH(log) EACH(sigmoid) EACH(tanh) EACH(softplus) EACH(sqrt) EACH(relu) EACH(abs)
"""

EXACT = {
    "exp": np.exp,
    "log": np.log,
    "sigmoid": lambda a: np.where(a < 0, np.exp(-np.abs(a)), 1) / (1 + np.exp(-np.abs(a))),
    "tanh": np.tanh,
    "softplus": lambda a: np.maximum(a, 0) + np.log1p(np.exp(-np.abs(a))),
    "sqrt": np.sqrt,
    "relu": lambda a: np.maximum(a, 0),
    "abs": np.abs,
}
ULPS = {"exp": 1.5, "log": 1.5, "sigmoid": 2.5, "tanh": 3.0, "softplus": 3.0, "sqrt": 0.51, "relu": 0, "abs": 0}
TYPES = {"float": (np.float32, np.uint32, np.float64), "double": (np.float64, np.uint64, np.longdouble)}


@pytest.fixture(scope="module")
def library():
    return compiler.load(TEXT)


def numbers(real):
    """Every sign, exponent and a spread of mantissas: zeros, denormal numbers, infinities and NaN among them; and
    a fine grid where functions bend.
    """
    kind, integer, _ = TYPES[real]
    bits = 8 * np.dtype(integer).itemsize
    spread = (np.arange(1 << 16, dtype=np.uint64) * ((1 << bits) // (1 << 16) + 12345)).astype(integer).view(kind)
    special = np.array(
        [0.0, -0.0, np.inf, -np.inf, np.nan, np.finfo(kind).smallest_subnormal, np.finfo(kind).max], kind
    )
    found = np.concatenate(
        [spread, special, np.linspace(-110, 110, 40001, dtype=kind), np.linspace(-2, 2, 40001, dtype=kind)]
    )
    return np.resize(found, len(found) // 16 * 16)


@pytest.mark.parametrize("wide", [True, False], ids=["vectors", "numbers"])
@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("name", EXACT)
def test_functions_are_right_to_a_few_units_in_the_last_place(library, name, real, wide):
    kind, _, wider = TYPES[real]
    given = numbers(real)
    found = np.empty_like(given)
    address = [ctypes.c_void_p(a.ctypes.data) for a in (given, found)]
    getattr(library, f"{name}_{real}")(*address, ctypes.c_long(len(given)), int(wide))
    with np.errstate(all="ignore"):
        exact = EXACT[name](given.astype(wider))
        wanted = exact.astype(kind)
        finite = np.isfinite(wanted)
        unit = np.spacing(np.abs(wanted[finite])).astype(wider)
        error = np.abs(found[finite].astype(wider) - exact[finite]) / unit
    np.testing.assert_array_equal(found[~finite], wanted[~finite])
    assert error.max() <= ULPS[name], (given[finite][error.argmax()], error.max())


@pytest.mark.parametrize("name", ["tanh", "relu"])
def test_the_sign_of_zero_is_kept(library, name):
    given, found = np.full(16, -0.0, np.float32), np.empty(16, np.float32)
    address = [ctypes.c_void_p(a.ctypes.data) for a in (given, found)]
    getattr(library, f"{name}_float")(*address, ctypes.c_long(16), 1)
    assert np.signbit(found).all()
