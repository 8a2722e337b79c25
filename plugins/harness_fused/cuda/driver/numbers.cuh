// Number formats of arrays, and the functions of `harness.ops` on float, in which everything is computed.

struct Bfloat {
  unsigned short bits;
};
struct Half {
  unsigned short bits;
};

FN float read(const float* from) { return *from; }
FN float read(const Half* from) { return from_half(from->bits); }
FN float read(const Bfloat* from) { return float_of(unsigned(from->bits) << 16); }

FN void write(float* to, float number) { *to = number; }
FN void write(Half* to, float number) { to->bits = half_of(number); }
FN void write(Bfloat* to, float number) {
  const unsigned bits = bits_of(number);
  const unsigned rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  to->bits = (unsigned short)(number == number ? rounded : 0x7fc0u);
}

template <class E> constexpr bool TENSOR = true;  // products on tensor cores
template <> constexpr bool TENSOR<float> = false;
template <class E> constexpr bool IS_BFLOAT = false;
template <> constexpr bool IS_BFLOAT<Bfloat> = true;

FN constexpr int least(int a, int b) { return a < b ? a : b; }
FN constexpr int most(int a, int b) { return a > b ? a : b; }
FN constexpr int parts(int whole, int part) { return (whole + part - 1) / part; }
FN constexpr int power_below(int number) {
  int power = 1;
  while (power * 2 <= number) power *= 2;
  return power;
}
FN constexpr int power_above(int number) {
  int power = 1;
  while (power < number) power *= 2;
  return power;
}

namespace fn {

template <class S> FN S splat(double number) { return S(number); }
template <class S> FN S select(bool mask, S a, S b) { return mask ? a : b; }
FN float abs(float a) { return fabsf(a); }
FN float relu(float a) { return a < 0.0f ? 0.0f : a; }
FN float maximum(float a, float b) { return a != a ? a : (a > b ? a : b); }
FN float minimum(float a, float b) { return a != a ? a : (a < b ? a : b); }
FN float exp(float a) { return expf(a); }
FN float log(float a) { return logf(a); }
FN float sqrt(float a) { return sqrtf(a); }
FN float pow(float a, float b) { return powf(a, b); }
FN float tanh(float a) { return tanhf(a); }
FN float softplus(float a) { return relu(a) + log1pf(expf(-fabsf(a))); }
FN float sigmoid(float a) { return 1.0f / (1.0f + expf(-a)); }

}  // namespace fn
