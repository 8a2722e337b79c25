// The functions of `harness.ops` on numbers and vectors of numbers, for generated cells.
//
// Wrong by at most a few units in the last place over the whole range, denormal numbers included; ±∞ and NaN give what
// mathematics and IEEE 754 say (the figures are in tests/test_fused_vector.py). All of them rest on
//     eˣ − 1 = 2ⁿ (eʳ − 1) + (2ⁿ − 1),  x = n ln 2 + r,  |r| ≤ ½ ln 2,  eʳ − 1 = r + r² P(r)
//     ln(1 + f) = 2 s + s z G(z),  s = f / (2 + f),  z = s²
// with P and G interpolated at Chebyshev nodes; no table is read.
#pragma once
#include "vector.hpp"

namespace {
namespace fn {

template <class R> struct Numbers;

template <> struct Numbers<float> {
  static constexpr float ROUND = 0x1.8p23f, LOG2E = 0x1.715476p0f, LN2_HIGH = 0x1.62e4p-1f, LN2_LOW = 0x1.7f7d1cp-20f;
  static constexpr float LEAST = -104.0f, MOST = 89.0f, TANH_LEAST = -40.0f, NORMAL = 0x1p-126f, RAISE = 0x1p24f;
  static constexpr float ROOT_HALF = 0x1.6a09e6p-1f, RAISED = 24.0f;
  static constexpr int32_t MANTISSA = 23, BIAS = 127, MAGNITUDE = INT32_MAX;
  static constexpr float P[] = {0.5f, 0.166665768459939763f, 0.0416665544376859389f, 0.00836320297157585495f,
                                0.0013926213466332443f};
  static constexpr float G[] = {0.66666685039575855f, 0.399887805660219819f, 0.295799493919727847f};
  static constexpr float WIDE_G[] = {0.666666673205274125f, 0.399997063319297174f, 0.285923579943028377f,
                                     0.217065758008803726f, 0.232243292240233488f};
};

template <> struct Numbers<double> {
  static constexpr double ROUND = 0x1.8p52, LOG2E = 0x1.71547652b82fep0;
  static constexpr double LN2_HIGH = 0x1.62e42feep-1, LN2_LOW = 0x1.a39ef35793c76p-33;
  static constexpr double LEAST = -746.0, MOST = 710.0, TANH_LEAST = -80.0, NORMAL = 0x1p-1022, RAISE = 0x1p54;
  static constexpr double ROOT_HALF = 0x1.6a09e667f3bcdp-1, RAISED = 54.0;
  static constexpr int64_t MANTISSA = 52, BIAS = 1023, MAGNITUDE = INT64_MAX;
  static constexpr double P[] = {0.500000000000000103, 0.166666666666666675, 0.0416666666666239915,
                                 0.00833333333333005135, 0.00138888889172817933, 0.000198412698631059687,
                                 0.0000248015211902177277, 2.75572683786841929e-6, 2.76201387197339956e-7,
                                 2.51004241570050668e-8};
  static constexpr double G[] = {0.666666666666666969, 0.399999999998995045, 0.285714286259754849, 0.222222111347950799,
                                 0.181828891252617221, 0.153317216005560413, 0.146164496850434059};
  static constexpr double WIDE_G[] = {0.666666666666666667, 0.399999999999999995, 0.285714285714288218,
                                      0.222222222221727887, 0.181818181868805563, 0.153846150767091727,
                                      0.133333453233059785, 0.117643941026737694, 0.105318378120398837,
                                      0.0945716320721148467, 0.0923194427336824749, 0.0528341222813727121,
                                      0.14938828485979847};
};

template <class S> using Real = typename Traits<S>::Real;
template <class S> using Integer = typename Traits<S>::Integer;
template <class S> using Of = Numbers<Real<S>>;

template <class S> FN S splat(double number) { return (Real<S>)number - S{}; }

template <class M, class S> FN S select(M mask, S a, S b) { return mask ? a : b; }

template <class S, int N> FN S polynomial(const Real<S> (&coefficient)[N], S x) {
  S sum = coefficient[N - 1] - S{};
#pragma GCC unroll 16
  for (int k = N - 2; k >= 0; --k) sum = sum * x + coefficient[k];
  return sum;
}

template <class S> FN S abs(S a) { return bits<S>(bits<Integer<S>>(a) & Of<S>::MAGNITUDE); }
template <class S> FN S relu(S a) { return a < 0 ? S{} : a; }
template <class S> FN S maximum(S a, S b) { return a != a ? a : (a > b ? a : b); }
template <class S> FN S minimum(S a, S b) { return a != a ? a : (a < b ? a : b); }

// x = n ln 2 + r: `turns` is n, `raw` carries n as an integer in its lowest bits, `rest` is eʳ − 1.
template <class S> struct Reduced { S turns, raw, rest; };

template <class S> FN Reduced<S> reduce(S x) {
  using C = Of<S>;
  const S raw = x * C::LOG2E + C::ROUND;
  const S n = raw - C::ROUND;
  const S r = (x - n * C::LN2_HIGH) - n * C::LN2_LOW;
  return {n, raw, r + r * r * polynomial(C::P, r)};
}

// a · 2ⁿ, rounded once where the result is a denormal number.
template <class S> FN S scaled(S a, const Reduced<S>& by) {
#if defined(__AVX512F__)
  if constexpr (sizeof(S) == 64 && sizeof(Real<S>) == 4) return (S)_mm512_scalef_ps((__m512)a, (__m512)by.turns);
  if constexpr (sizeof(S) == 64 && sizeof(Real<S>) == 8) return (S)_mm512_scalef_pd((__m512d)a, (__m512d)by.turns);
#endif
  using I = Integer<S>;
  const I n = bits<I>(by.raw) - bits<I>(splat<S>(Of<S>::ROUND)), half = n >> 1;
  const S first = bits<S>((half + Of<S>::BIAS) << Of<S>::MANTISSA);
  return a * first * bits<S>((n - half + Of<S>::BIAS) << Of<S>::MANTISSA);
}

template <class S> FN S exp_of_negative(S x) {  // x ≤ 0 or NaN
  const auto reduced = reduce<S>(x < Of<S>::LEAST ? splat<S>(Of<S>::LEAST) : x);
  return scaled<S>(reduced.rest + 1, reduced);
}

template <class S> FN S exp(S x) { return exp_of_negative<S>(x > Of<S>::MOST ? splat<S>(Of<S>::MOST) : x); }

// 1 / (1 + e⁻ˣ), by the exponential of −|x| alone.
template <class S> FN S sigmoid(S x) {
  const S e = exp_of_negative<S>(-abs(x));
  return (x < 0 ? e : splat<S>(1.0)) / (e + 1);
}

// With e = exp(−2 |x|): (1 − e) / (1 + e) by e − 1 where that is small, else 1 − 2 e / (1 + e), whose error is only that
// of the last subtraction: 1 − tanh² is what gradients are made of.
template <class S> FN S tanh(S x) {
  using I = Integer<S>;
  const S y = abs(x) * -2;
  const auto reduced = reduce<S>(y < Of<S>::TANH_LEAST ? splat<S>(Of<S>::TANH_LEAST) : y);
  const S power = bits<S>((bits<I>(reduced.raw) + Of<S>::BIAS) << Of<S>::MANTISSA);
  const S less = power * reduced.rest + (power - 1);
  const S e = power * reduced.rest + power;
  const auto far = y < -1;
  const S part = (far ? e + e : -less) / (less + 2);
  const S size = far ? 1 - part : part;
  return bits<S>((bits<I>(size) & Of<S>::MAGNITUDE) | (bits<I>(x) & ~Of<S>::MAGNITUDE));
}

template <class S> FN S log(S x) {
  using C = Of<S>;
  using I = Integer<S>;
  const auto tiny = x < C::NORMAL;
  const I all = bits<I>(tiny ? x * C::RAISE : x);
  const I exponent = (all - bits<I>(splat<S>(C::ROOT_HALF))) >> C::MANTISSA;
  const S f = bits<S>(all - (exponent << C::MANTISSA)) - 1;
  S n = bits<S>(exponent + bits<I>(splat<S>(C::ROUND))) - C::ROUND;
  n = tiny ? n - C::RAISED : n;
  const S s = f / (f + 2), z = s * s, half = f * f * (Real<S>)0.5;
  const S inside = n * C::LN2_HIGH - ((half - (s * (half + z * polynomial(C::G, z)) + n * C::LN2_LOW)) - f);
  const S infinity = splat<S>(__builtin_inf());
  const S outside = x == 0 ? -infinity : (x == infinity ? x : splat<S>(__builtin_nan("")));
  return (x > 0) & (x < infinity) ? inside : outside;
}

// ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)
template <class S> FN S softplus(S x) {
  const S e = exp_of_negative<S>(-abs(x));
  const S s = e / (e + 2), z = s * s;
  return relu(x) + (s * z * polynomial(Of<S>::WIDE_G, z) + s * 2);
}

FN float sqrt(float a) { return __builtin_sqrtf(a); }
FN double sqrt(double a) { return __builtin_sqrt(a); }
template <class S> FN S sqrt(S a) {
  for (int lane = 0; lane < LANES<Real<S>>; ++lane) a[lane] = sqrt((Real<S>)a[lane]);
  return a;
}

// The C library's, number by number: cells raise to whole powers or not at all.
FN float pow(float a, float b) { return __builtin_powf(a, b); }
FN double pow(double a, double b) { return __builtin_pow(a, b); }
template <class S> FN S pow(S a, S b) {
  for (int lane = 0; lane < LANES<Real<S>>; ++lane) a[lane] = pow((Real<S>)a[lane], (Real<S>)b[lane]);
  return a;
}

}  // namespace fn
}  // namespace
