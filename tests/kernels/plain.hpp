// The plainest driver of generated cells: one element after the other in double precision, nothing packed, blocked or
// shared. It says what the interface of a generated text means; what must not be read is NaN.
#include <cmath>
#include <limits>
#include <vector>

#define FN inline

namespace fn {
template <class S> S splat(double a) { return a; }
inline double sigmoid(double a) { return 1 / (1 + std::exp(-a)); }
inline double tanh(double a) { return std::tanh(a); }
inline double relu(double a) { return a > 0 ? a : 0; }
inline double exp(double a) { return std::exp(a); }
inline double log(double a) { return std::log(a); }
inline double softplus(double a) { return a > 0 ? a + std::log1p(std::exp(-a)) : std::log1p(std::exp(a)); }
inline double sqrt(double a) { return std::sqrt(a); }
inline double abs(double a) { return std::fabs(a); }
inline double maximum(double a, double b) { return a > b ? a : b; }
inline double minimum(double a, double b) { return a < b ? a : b; }
inline double pow(double a, double b) { return std::pow(a, b); }
inline double select(bool condition, double a, double b) { return condition ? a : b; }
}  // namespace fn

// x [T, B, I], y and d_y [T, B, H], states [T + 1, B, STATES, H] of which the first are given, wx [ACCS, H, I],
// w [ACCS, OPERANDS, H, H], bias [ACCS, H], vector [VECTORS, H]; d_state [B, STATES, H]: of the final states when called,
// of the initial ones afterwards. All gradients of weights are added to. `inferred` [T, B, H]: y without a backward.
struct Sequence {
  long T, B, I, H;
  const double *x, *wx, *w, *bias, *vector, *d_y;
  double *states, *inferred, *d_state, *d_x, *d_wx, *d_w, *d_bias, *d_vector;
};

using Rows = std::vector<double>;  // [rows, H]; at least one row
inline Rows rows(long n, long H) { return Rows((n ? n : 1) * H, std::numeric_limits<double>::quiet_NaN()); }

template <int N> struct Column {  // element j of N rows; written back by `put`
  double at[N ? N : 1];
  Column(const double* from, long H, long j) { for (int n = 0; n < N; ++n) at[n] = from[n * H + j]; }
  void put(double* to, long H, long j) const { for (int n = 0; n < N; ++n) to[n * H + j] = at[n]; }
};

template <class C> struct Plain {
  const Sequence& s;

  template <bool TRAIN, int K = 0> void forward(const double* x, const double* state, Rows& kept, Rows& operand, double* next) {
    const long H = s.H;
    constexpr int KEPT = TRAIN ? C::KEPT_TRAIN : C::KEPT_INFER;
    Rows acc = rows(C::ACCS, H);
    for (int o = 0; o < C::OPERANDS; ++o)
      if (C::OPERAND_STATE[o] >= 0)
        for (long j = 0; j < H; ++j) operand[o * H + j] = state[C::OPERAND_STATE[o] * H + j];
    for (int a = 0; a < C::ACCS; ++a)
      for (long j = 0; j < H && C::PHASE_OF_ACC[a] == K; ++j) {
        double sum = s.bias[a * H + j];
        for (long i = 0; i < s.I && C::READS_X[a]; ++i) sum += s.wx[(a * H + j) * s.I + i] * x[i];
        for (int o = 0; o < C::OPERANDS; ++o)
          for (long k = 0; k < H && C::READS[a][o]; ++k)
            sum += s.w[((a * C::OPERANDS + o) * H + j) * H + k] * operand[o * H + k];
        acc[a * H + j] = sum;
      }
    for (long j = 0; j < H; ++j) {
      Column<C::ACCS> a(acc.data(), H, j);
      Column<C::STATES> st(state, H, j), n(next, H, j);
      Column<C::VECTORS> v(s.vector, H, j);
      Column<KEPT> k(kept.data(), H, j);
      Column<C::OPERANDS> o(operand.data(), H, j);
      C::template forward<K, TRAIN>(a.at, st.at, v.at, k.at, o.at, n.at);
      k.put(kept.data(), H, j), o.put(operand.data(), H, j), n.put(next, H, j);
    }
    if constexpr (K + 1 < C::PHASES) forward<TRAIN, K + 1>(x, state, kept, operand, next);
  }

  template <int K> void backward(const double* x, const double* state, const double* next, const Rows& kept, Rows& operand,
                                 Rows& d_operand, const Rows& d_next, Rows& adjoint, double* d_state, double* d_x) {
    const long H = s.H;
    Rows d_acc = rows(C::ACCS, H);
    for (long j = 0; j < H; ++j) {
      Column<C::STATES> st(state, H, j), n(next, H, j), dn(d_next.data(), H, j), ds(d_state, H, j);
      Column<C::VECTORS> v(s.vector, H, j), dv(s.d_vector, H, j);
      Column<C::KEPT_TRAIN> k(kept.data(), H, j);
      Column<C::OPERANDS> d_o(d_operand.data(), H, j);
      Column<C::ADJOINTS> adj(adjoint.data(), H, j);
      Column<C::ACCS> da(d_acc.data(), H, j);
      C::template backward<K>(st.at, n.at, v.at, k.at, d_o.at, dn.at, adj.at, da.at, ds.at, dv.at);
      adj.put(adjoint.data(), H, j), da.put(d_acc.data(), H, j), ds.put(d_state, H, j), dv.put(s.d_vector, H, j);
      if constexpr (K > 0) {
        Column<C::OPERANDS> o(operand.data(), H, j);
        C::template operands<K - 1>(st.at, n.at, v.at, k.at, o.at);
        o.put(operand.data(), H, j);
      }
    }
    for (int o = 0; o < C::OPERANDS; ++o)
      for (long k = 0; k < H && C::PHASE_OF_OPERAND[o] == K; ++k) {
        const int from = C::OPERAND_STATE[o];
        const double value = from >= 0 ? state[from * H + k] : operand[o * H + k];
        double sum = 0;
        for (int a = 0; a < C::ACCS; ++a)
          for (long j = 0; j < H && C::READS[a][o]; ++j) {
            const long at = ((a * C::OPERANDS + o) * H + j) * H + k;
            sum += d_acc[a * H + j] * s.w[at];
            s.d_w[at] += d_acc[a * H + j] * value;
          }
        if (from >= 0) d_state[from * H + k] += sum; else d_operand[o * H + k] = sum;
      }
    for (int a = 0; a < C::ACCS; ++a)
      for (long j = 0; j < H && C::PHASE_OF_ACC[a] == K; ++j) {
        s.d_bias[a * H + j] += d_acc[a * H + j];
        for (long i = 0; i < s.I && C::READS_X[a]; ++i) {
          d_x[i] += d_acc[a * H + j] * s.wx[(a * H + j) * s.I + i];
          s.d_wx[(a * H + j) * s.I + i] += d_acc[a * H + j] * x[i];
        }
      }
    if constexpr (K > 0) backward<K - 1>(x, state, next, kept, operand, d_operand, d_next, adjoint, d_state, d_x);
  }

  void run() {
    const long H = s.H, step = s.B * C::STATES * H;
    std::vector<Rows> kept(s.T * s.B, rows(C::KEPT_TRAIN, H));
    for (long t = 0; t < s.T; ++t)
      for (long b = 0; b < s.B; ++b) {
        double* state = s.states + t * step + b * C::STATES * H;
        Rows operand = rows(C::OPERANDS, H), fewer = rows(C::KEPT_INFER, H), next = rows(C::STATES, H);
        forward<false>(s.x + (t * s.B + b) * s.I, state, fewer, operand, next.data());
        for (long j = 0; j < H; ++j) s.inferred[(t * s.B + b) * H + j] = next[j];
        operand = rows(C::OPERANDS, H);
        forward<true>(s.x + (t * s.B + b) * s.I, state, kept[t * s.B + b], operand, state + step);
      }
    for (long t = s.T - 1; t >= 0; --t)
      for (long b = 0; b < s.B; ++b) {
        const double* state = s.states + t * step + b * C::STATES * H;
        double* d_state = s.d_state + b * C::STATES * H;
        Rows d_next(d_state, d_state + C::STATES * H), operand = rows(C::OPERANDS, H), d_operand = operand;
        Rows adjoint = rows(C::ADJOINTS, H);
        for (long j = 0; j < H; ++j) d_next[j] += s.d_y[(t * s.B + b) * H + j];
        for (long j = 0; j < C::STATES * H; ++j) d_state[j] = 0;
        backward<C::PHASES - 1>(s.x + (t * s.B + b) * s.I, state, state + step, kept[t * s.B + b], operand, d_operand,
                                d_next, adjoint, d_state, s.d_x + (t * s.B + b) * s.I);
      }
  }
};

// Makes the C function `run_<name>` of the text that was included within namespace `name`.
#define PLAIN(name)                                                                                                  \
  struct name##_calls : name::Cell {                                                                                 \
    template <int K, bool TRAIN, class... A> static void forward(A... a) { name::forward<K, TRAIN, double>(a...); }   \
    template <int K, class... A> static void operands(A... a) { name::operands<K, double>(a...); }                    \
    template <int K, class... A> static void backward(A... a) { name::backward<K, double>(a...); }                    \
  };                                                                                                                 \
  extern "C" void run_##name(const Sequence* s) { Plain<name##_calls>{*s}.run(); }
