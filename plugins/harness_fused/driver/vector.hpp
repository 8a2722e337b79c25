// Vectors of real numbers by the compilers' vector extensions, and their way to and from memory.
//
// `Vector<R>`, R float or double, is as wide as the processor's registers; `Traits<S>` says of a scalar or vector type S
// what its elements are and which integers have its shape. Everything a cell computes is written once for all four.
#pragma once
#include <stdint.h>
#include <string.h>

#include <utility>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#define FN inline __attribute__((always_inline))

namespace {

#if defined(__AVX512F__)
constexpr int VECTOR_BYTES = 64;
constexpr int REGISTERS = 32;
#elif defined(__AVX__)
constexpr int VECTOR_BYTES = 32;
constexpr int REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int VECTOR_BYTES = 16;
constexpr int REGISTERS = 32;
#else
constexpr int VECTOR_BYTES = 16;
constexpr int REGISTERS = 16;
#endif

typedef float Floats __attribute__((vector_size(VECTOR_BYTES)));
typedef double Doubles __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t Ints __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t Longs __attribute__((vector_size(VECTOR_BYTES)));

template <class S> struct Traits;
template <> struct Traits<float> { using Real = float; using Integer = int32_t; using Vector = Floats; };
template <> struct Traits<double> { using Real = double; using Integer = int64_t; using Vector = Doubles; };
template <> struct Traits<Floats> { using Real = float; using Integer = Ints; };
template <> struct Traits<Doubles> { using Real = double; using Integer = Longs; };

template <class R> using Vector = typename Traits<R>::Vector;
template <class R> constexpr int LANES = VECTOR_BYTES / sizeof(R);

template <class To, class From> FN To bits(From from) {
  static_assert(sizeof(To) == sizeof(From), "a change of type, not of size");
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

// The first `count` ≤ LANES numbers from `from`, zeros behind them; nothing else is read.
template <class R> FN Vector<R> load(const R* from, int count) {
  if (__builtin_constant_p(count) && count == LANES<R>) {
    Vector<R> whole;
    memcpy(&whole, from, sizeof whole);
    return whole;
  }
#if defined(__AVX512F__)
  if constexpr (sizeof(R) == 4) return (Floats)_mm512_maskz_loadu_ps((__mmask16)((1u << count) - 1), from);
  else return (Doubles)_mm512_maskz_loadu_pd((__mmask8)((1u << count) - 1), from);
#else
  Vector<R> vector{};
  if (count == LANES<R>) memcpy(&vector, from, sizeof vector);
  else for (int lane = 0; lane < count; ++lane) vector[lane] = from[lane];
  return vector;
#endif
}

// Writes the first `count` ≤ LANES numbers and nothing else.
template <class R> FN void store(R* to, Vector<R> vector, int count) {
  if (count == LANES<R>) {
    memcpy(to, &vector, sizeof vector);
    return;
  }
#if defined(__AVX512F__)
  if constexpr (sizeof(R) == 4) _mm512_mask_storeu_ps(to, (__mmask16)((1u << count) - 1), (__m512)vector);
  else _mm512_mask_storeu_pd(to, (__mmask8)((1u << count) - 1), (__m512d)vector);
#else
  for (int lane = 0; lane < count; ++lane) to[lane] = vector[lane];
#endif
}

// ---- from as many vectors as lanes to one vector of their sums ----

// Lane l of what is added: groups of `size` partial sums are halved, those of `a` first, then those of `b`.
constexpr int source(int lane, int size, int lanes, bool high) {
  const int half = size / 2, group = lane / half, groups = lanes / size;
  return (group < groups ? group * size : lanes + (group - groups) * size) + lane % half + (high ? half : 0);
}

template <class R, int SIZE, int... lane> FN Vector<R> halve(Vector<R> a, Vector<R> b, std::integer_sequence<int, lane...>) {
#ifdef __clang__
  return __builtin_shufflevector(a, b, source(lane, SIZE, LANES<R>, false)...) +
         __builtin_shufflevector(a, b, source(lane, SIZE, LANES<R>, true)...);
#else  // g++ knows that name from version 12 on, this one always
  using I = typename Traits<Vector<R>>::Integer;
  return __builtin_shuffle(a, b, I{source(lane, SIZE, LANES<R>, false)...}) +
         __builtin_shuffle(a, b, I{source(lane, SIZE, LANES<R>, true)...});
#endif
}

// Lane l of the result: the sum of the lanes of vectors[l].
template <class R, int COUNT = LANES<R>> FN Vector<R> lane_sums(const Vector<R>* vectors) {
  if constexpr (COUNT == 1) return vectors[0];
  else return halve<R, 2 * LANES<R> / COUNT>(lane_sums<R, COUNT / 2>(vectors), lane_sums<R, COUNT / 2>(vectors + COUNT / 2),
                                             std::make_integer_sequence<int, LANES<R>>{});
}

}  // namespace
