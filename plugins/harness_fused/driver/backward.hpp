// The way back: gradients of accumulators times weights, and behind them the pointwise gradients of the phase before.
//
// With P phases the products of phase k give what the pointwise gradients of phase k − 1 need, those of phase 0 what
// the last phase of the step before needs; so every product but the last has a cell's arithmetic in its registers' wake.
#pragma once
#include "forward.hpp"

namespace {

// The products a phase's pointwise gradients wait for.
template <int K> constexpr int FEEDING = K + 1 == Cell::PHASES ? 0 : K + 1;

// The sum of the gradients that products of phase `phase` give to state s.
FN V from_products(int s, int phase, const V* panel, int stride) {
  V sum{};
#pragma GCC unroll 16
  for (int o = 0; o < Cell::OPERANDS; ++o)
    if (Cell::OPERAND_STATE[o] == s && Cell::PHASE_OF_OPERAND[o] == phase) sum += panel[o * stride];
  return sum;
}

// The pointwise gradients of phase K of step t. panel[r][operand][v]: what products gave, zeros at the last step.
template <int K> void finish_backward(const Call& call, int64_t t, const Place& at, const Rows& slice, const V* panel, int width) {
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS, N = Cell::KEPT_TRAIN, P = Cell::PHASES;
  constexpr bool LAST = K + 1 == P;
  const int64_t H = call.hidden, BH = call.batch * H;
  const R *old[S], *fresh[S];
  for (int s = 0; s < S; ++s) old[s] = call.state(s, t), fresh[s] = call.state(s, t + 1);
  const R* const kept_rows = call.kept_at(t, N);
  R* const adjoints = call.d_next + S * BH;
  for (int v = 0; v < at.vectors; ++v) {
    const int64_t j = at.j + v * L;
    const int lanes = lanes_of(H - j);
    V vector[Cell::VECTORS + 1], sums[A];
    for (int n = 0; n < Cell::VECTORS; ++n) vector[n] = load(call.vectors() + n * H + j, lanes);
    for (int i = 0; i < A; ++i) sums[i] = V{};
    for (int r = 0; r < at.rows; ++r) {
      const int64_t row = at.row + r, here = row * H + j;
      const V* products = panel + r * O * width + v;
      if constexpr (LAST) {
        // The way back in time is one that processors do not foresee.
        for (int n = 0; n < N; ++n) __builtin_prefetch(kept_rows + (row * N + n) * H + j - N * BH);
        for (int s = 0; s < S; ++s) __builtin_prefetch(old[s] + here - BH);
        if (call.d_y) __builtin_prefetch(call.d_y + (t - 1) * BH + here);
      }
      V state[S], next[S], kept[N + 1], d_operand[O + 1], d_next[S], d_state[S], adjoint[Cell::ADJOINTS + 1];
      V d_acc[A], d_vector[Cell::VECTORS + 1], operand[O + 1];
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) {
        state[s] = load(old[s] + here, lanes), next[s] = load(fresh[s] + here, lanes);
        const V through = load(call.d_state + s * BH + here, lanes) + from_products(s, FEEDING<K>, products, width);
        d_next[s] = LAST ? through : load(call.d_next + s * BH + here, lanes);
        d_state[s] = LAST ? V{} : through;
        if (LAST && s == 0 && call.d_y) d_next[s] += load(call.d_y + t * BH + here, lanes);
        if (LAST && P > 1) store(call.d_next + s * BH + here, d_next[s], lanes);
      }
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n) kept[n] = load(kept_rows + (row * N + n) * H + j, lanes);
#pragma GCC unroll 16
      for (int n = 0; n < Cell::ADJOINTS; ++n) adjoint[n] = LAST ? V{} : load(adjoints + n * BH + here, lanes);
#pragma GCC unroll 16
      for (int o = 0; o < O; ++o)
        if (Cell::PHASE_OF_OPERAND[o] == K + 1) d_operand[o] = products[o * width];
#pragma GCC unroll 16
      for (int n = 0; n < Cell::VECTORS; ++n)
        d_vector[n] = load(call.d_vector + (row * Cell::VECTORS + n) * H + j, lanes);
      cell::backward<K>(state, next, vector, kept, d_operand, d_next, adjoint, d_acc, d_state, d_vector);
      cell::operands<K>(state, next, vector, kept, operand);
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) store(call.d_state + s * BH + here, d_state[s], lanes);
#pragma GCC unroll 16
      for (int n = 0; n < Cell::ADJOINTS; ++n) store(adjoints + n * BH + here, adjoint[n], lanes);
#pragma GCC unroll 16
      for (int i = 0; i < A; ++i)
        if (Cell::PHASE_OF_ACC[i] == K) {
          store(call.d_acc + ((t * call.batch + row) * A + i) * H + j, d_acc[i], lanes);
          sums[i] += d_acc[i];
        }
#pragma GCC unroll 16
      for (int o = 0; o < O; ++o)
        if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1)
          store(call.operands + (o * call.chunk + t) * BH + here, operand[o], lanes);
#pragma GCC unroll 16
      for (int n = 0; n < Cell::VECTORS; ++n)
        store(call.d_vector + (row * Cell::VECTORS + n) * H + j, d_vector[n], lanes);
    }
    for (int i = 0; i < A; ++i)
      if (Cell::PHASE_OF_ACC[i] == K) {
        R* sum = call.d_bias + (slice.part * A + i) * H + j;
        store(sum, load<R>(sum, lanes) + sums[i], lanes);
      }
  }
}

// What the products of phase 0 leave to the state before the first step of a range.
inline void finish_range(const Call& call, const Place& at, const V* panel, int width) {
  for (int s = 0; s < Cell::STATES; ++s)
    for (int r = 0; r < at.rows; ++r)
      for (int v = 0; v < at.vectors; ++v) {
        const int64_t j = at.j + v * L;
        const int lanes = lanes_of(call.hidden - j);
        R* to = call.d_state + (s * call.batch + at.row + r) * call.hidden + j;
        store(to, load<R>(to, lanes) + from_products(s, 0, panel + r * Cell::OPERANDS * width + v, width), lanes);
      }
}

// Gradients of the operands of phase K of step t, from the gradients of all accumulators that read them.
template <int K> void multiply_back(const Call& call, int64_t t, const Place& at, const R* weights, V* panel, int width) {
  const int64_t H = call.hidden;
  const R* rows = call.d_acc + t * call.batch * Cell::ACCS * H;
  for (int o = 0; o < Cell::OPERANDS; ++o) {
    if (Cell::PHASE_OF_OPERAND[o] != K) continue;
    Segment<R> segments[Cell::ACCS];
    Tile<R> tile{segments, 0, weights, panel + o * width, Cell::OPERANDS * width, {0, 1, 2, 3}, false};
    for (int i = 0; i < Cell::ACCS; ++i)
      if (Cell::READS[i][o]) segments[tile.count++] = {rows + i * H, Cell::ACCS * H, H};
    weights += tile.count * H * at.vectors * L;
    multiply<R>(at.rows, at.vectors, tile, at.row);
  }
}

template <int K> void multiply_back_direct(const Call& call, int64_t t, const Place& at, V* panel, int width) {
  const int64_t H = call.hidden;
  bool seen[Cell::OPERANDS + 1] = {};
  for (int64_t n = 0; n < call.terms; ++n) {
    const Term& term = call.term[n];
    if (term.operand < 0 || Cell::PHASE_OF_OPERAND[term.operand] != K) continue;
    const R* matrix = call.parameters[term.parameter] + term.offset + at.j;
    const R* factor = call.d_acc + (t * Cell::ACCS + term.acc) * H;
    combine<R>(at.vectors, matrix, term.row, factor, H, lanes_of(H - at.j - (at.vectors - 1) * L),
               seen[term.operand], panel + term.operand * width);
    seen[term.operand] = true;
  }
}

enum class Then { PRODUCTS_AND_ARITHMETIC, ARITHMETIC, PRODUCTS };

// One pass over a slice: the products of phase FEEDING<K> of step `fed`, then the pointwise gradients of phase K of
// step t; the first pass of a range has only the second, the last only the first.
template <int K> void backward_pass(const Call& call, int64_t fed, int64_t t, const Rows& slice, Then then) {
  constexpr int FROM = FEEDING<K>, MOST_WIDTH = 8;
  const int width = call.direct ? MOST_WIDTH : Phase<FROM>::WIDTH_BACK;
  const int64_t all = Call::vectors_in(call.hidden), rows = slice.last - slice.first;
  const int64_t tiles = (rows + Phase<FROM>::ROWS_BACK - 1) / Phase<FROM>::ROWS_BACK;
  const R* weights = call.direct ? nullptr : call.weights() + phase_start<FROM>(call, true);
  const int64_t per_vector = depth_backward(call, FROM) * L;
  V panel[(Phase<FROM>::ROWS_BACK * Phase<FROM>::WIDTH_BACK + MOST_WIDTH) * (Cell::OPERANDS + 1)];
  if (then == Then::ARITHMETIC) memset(panel, 0, sizeof panel);
  for (int64_t v0 = 0; v0 < all; v0 += width) {
    Place at{0, v0 * L, 0, int(all - v0 < width ? all - v0 : width)};
    for (int64_t tile = 0; tile < tiles; ++tile) {
      at.row = slice.first + tile * rows / tiles;
      at.rows = int(slice.first + (tile + 1) * rows / tiles - at.row);
      if (then != Then::ARITHMETIC) {
        if (call.direct) multiply_back_direct<FROM>(call, fed, at, panel, width);
        else multiply_back<FROM>(call, fed, at, weights + v0 * per_vector, panel, width);
      }
      if (then == Then::PRODUCTS) finish_range(call, at, panel, width);
      else finish_backward<K>(call, t, at, slice, panel, width);
    }
  }
}

template <int K> void earlier_phases(const Call& call, int64_t t, const Rows& slice) {
  if constexpr (K >= 0) {
    backward_pass<K>(call, t, t, slice, Then::PRODUCTS_AND_ARITHMETIC);
    earlier_phases<K - 1>(call, t, slice);
  }
}

inline void backward_range(const Call& call, int64_t first, int64_t last, const Rows& slice) {
  constexpr int END = Cell::PHASES - 1;
  for (int64_t t = last - 1; t >= first; --t) {
    backward_pass<END>(call, t + 1, t, slice, t + 1 == last ? Then::ARITHMETIC : Then::PRODUCTS_AND_ARITHMETIC);
    earlier_phases<END - 1>(call, t, slice);
  }
  backward_pass<END>(call, first, first, slice, Then::PRODUCTS);
}

}  // namespace
