// Weights in the order in which products read them: blocks of columns, within them groups, operands, k, columns.
#pragma once
#include "call.hpp"

namespace {

// Columns times depth of everything a block of one vector's width reads.
inline int64_t depth_forward(const Call& call, const Products& products) {
  int64_t sum = 0;
  for (int g = 0; g < products.count; ++g)
    for (int n = 0; n < products.group[g].operands; ++n)
      sum += products.group[g].accs * depth_of(call, products.group[g].operand[n]);
  return sum;
}

inline int64_t depth_backward(const Call& call, int phase) {
  int64_t sum = 0;
  for (int i = 0; i < Cell::ACCS; ++i)
    for (int o = 0; o < Cell::OPERANDS; ++o) sum += Cell::READS[i][o] && Cell::PHASE_OF_OPERAND[o] == phase;
  return sum * call.hidden;
}

// Writes or adds M[j][k] of all terms of (acc, operand) to lane j mod L of to[(k · stride) + j / L], j in a block.
// `back` exchanges j and k.
inline void place(const Call& call, int acc, int operand, int64_t j0, int vectors, int64_t depth, bool back, R* to,
                  int64_t stride) {
  const int64_t width = back ? depth_of(call, operand) : call.hidden;
  bool first = true;
  for (int64_t n = 0; n < call.terms; ++n) {
    const Term& term = call.term[n];
    if (term.acc != acc || term.operand != operand) continue;
    const int64_t across = back ? term.column : term.row, along = back ? term.row : term.column;
    const R* from = call.parameters[term.parameter] + term.offset;
    for (int v = 0; v < vectors; ++v)
      for (int lane = 0; lane < L; ++lane) {
        const int64_t j = j0 + v * L + lane;
        R* out = to + v * L + lane;
        if (j < width)
          for (int64_t k = 0; k < depth; ++k) out[k * stride] = (first ? 0 : out[k * stride]) + from[j * across + k * along];
        else
          for (int64_t k = 0; k < depth; ++k) out[k * stride] = 0;
      }
    first = false;
  }
}

template <int K> R* pack_forward(const Call& call, R* to) {
  const Products& products = Phase<K>::PRODUCTS[call.share()];
  const int64_t all = Call::vectors_in(call.hidden);
  for (int64_t v0 = 0; v0 < all; v0 += Phase<K>::WIDTH) {
    const int vectors = int(all - v0 < Phase<K>::WIDTH ? all - v0 : Phase<K>::WIDTH);
    for (int g = 0; g < products.count; ++g) {
      const Group& group = products.group[g];
      for (int n = 0; n < group.operands; ++n) {
        const int64_t depth = depth_of(call, group.operand[n]), stride = group.accs * vectors * L;
        for (int a = 0; a < group.accs; ++a)
          place(call, group.acc[a], group.operand[n], v0 * L, vectors, depth, false, to + a * vectors * L, stride);
        to += depth * stride;
      }
    }
  }
  if constexpr (K + 1 < Cell::PHASES) return pack_forward<K + 1>(call, to);
  return to;
}

template <int K> R* pack_backward(const Call& call, R* to) {
  const int64_t all = Call::vectors_in(call.hidden), H = call.hidden;
  for (int64_t v0 = 0; v0 < all; v0 += Phase<K>::WIDTH_BACK) {
    const int vectors = int(all - v0 < Phase<K>::WIDTH_BACK ? all - v0 : Phase<K>::WIDTH_BACK);
    for (int o = 0; o < Cell::OPERANDS; ++o)
      for (int i = 0; i < Cell::ACCS; ++i)
        if (Cell::PHASE_OF_OPERAND[o] == K && Cell::READS[i][o]) {
          place(call, i, o, v0 * L, vectors, H, true, to, vectors * L);
          to += H * vectors * L;
        }
  }
  if constexpr (K + 1 < Cell::PHASES) return pack_backward<K + 1>(call, to);
  return to;
}

// Biases summed and vectors side by side, without padding.
inline void gather(const Call& call) {
  memset(call.packed, 0, (call.weights() - call.packed) * sizeof(R));
  for (int64_t n = 0; n < call.terms; ++n) {
    const Term& term = call.term[n];
    if (term.operand != BIAS && term.operand != VECTOR) continue;
    R* to = call.packed + (term.operand == BIAS ? 0 : Call::round_up(Cell::ACCS * call.hidden)) + term.acc * call.hidden;
    const R* from = call.parameters[term.parameter] + term.offset;
    for (int64_t j = 0; j < call.hidden; ++j) to[j] += from[j];
  }
}

// Where the weights of phase K begin, forward or backward; K = PHASES: their end.
template <int K> int64_t phase_start(const Call& call, bool back) {
  if constexpr (K == 0) return 0;
  else {
    const int64_t depth = back ? depth_backward(call, K - 1) : depth_forward(call, Phase<K - 1>::PRODUCTS[call.share()]);
    return phase_start<K - 1>(call, back) + depth * Call::vectors_in(call.hidden) * L;
  }
}

// Matrices of x that are multiplied a chunk at a time: forward one after the other as blocks of columns, backward the
// columns of all of them. Gradients of a narrow x read them as they are, transposed: [I, ACCS, H].
constexpr int X_COLUMNS = MOST_COLUMNS;

inline R* pack_x_forward(const Call& call, R* to) {
  for (int i = 0; i < Cell::ACCS; ++i)
    if (Cell::READS_X[i])
      for (int64_t v0 = 0, all = Call::vectors_in(call.hidden); v0 < all; v0 += X_COLUMNS) {
        const int vectors = int(all - v0 < X_COLUMNS ? all - v0 : X_COLUMNS);
        place(call, i, X, v0 * L, vectors, call.inputs, false, to, vectors * L);
        to += call.inputs * vectors * L;
      }
  return to;
}

inline R* pack_x_backward(const Call& call, R* to) {
  for (int64_t v0 = 0, all = Call::vectors_in(call.inputs); v0 < all; v0 += X_COLUMNS) {
    const int vectors = int(all - v0 < X_COLUMNS ? all - v0 : X_COLUMNS);
    for (int i = 0; i < Cell::ACCS; ++i)
      if (Cell::READS_X[i]) {
        place(call, i, X, v0 * L, vectors, call.hidden, true, to, vectors * L);
        to += call.hidden * vectors * L;
      }
  }
  return to;
}

inline void transpose_x(const Call& call, R* to) {
  const int64_t H = call.hidden, width = Cell::ACCS * H;
  memset(to, 0, call.inputs * width * sizeof(R));
  for (int64_t n = 0; n < call.terms; ++n) {
    const Term& term = call.term[n];
    const R* from = call.parameters[term.parameter] + term.offset;
    for (int64_t j = 0; term.operand == X && j < H; ++j)
      for (int64_t k = 0; k < call.inputs; ++k) to[k * width + term.acc * H + j] += from[j * term.row + k * term.column];
  }
}

inline void pack_all_forward(const Call& call) {
  R* end = pack_forward<0>(call, call.weights());
  if (call.hoisted) pack_x_forward(call, end);
}

inline void pack_all_backward(const Call& call) {
  R* end = call.direct ? call.weights() : pack_backward<0>(call, call.weights());
  if (!call.d_x) return;
  call.hoisted ? (void)pack_x_backward(call, end) : transpose_x(call, end);
}

// Where all of it ends.
inline R* pack_end(const Call& call, bool back) {
  int64_t readers = 0;
  for (int i = 0; i < Cell::ACCS; ++i) readers += Cell::READS_X[i];
  R* end = call.weights() + (back && call.direct ? 0 : phase_start<Cell::PHASES>(call, back));
  if (!back) return end + call.hoisted * readers * call.inputs * Call::round_up(call.hidden);
  if (!call.d_x) return end;
  return end + (call.hoisted ? readers * call.hidden * Call::round_up(call.inputs) : call.inputs * Cell::ACCS * call.hidden);
}

}  // namespace
