// A slice of the batch through a range of steps: products in registers, a cell's arithmetic right behind them.
#pragma once
#include "functions.hpp"
#include "pack.hpp"

namespace {

template <bool TRAIN> constexpr int KEPT = TRAIN ? Cell::KEPT_TRAIN : Cell::KEPT_INFER;

// Where in the rows of all accumulators that read x, in order, an accumulator's projection is.
constexpr int place_of_projection(int acc) {
  int place = 0;
  for (int i = 0; i < acc; ++i) place += Cell::READS_X[i];
  return place;
}
constexpr int PROJECTIONS = place_of_projection(Cell::ACCS);

// A tile: rows of the batch by vectors of the width, and the panel its products landed in.
struct Place {
  int64_t row, j;
  int rows, vectors;
};

// The pointwise part of phase K. panel[r][acc][v], `width` vectors an accumulator.
template <int K, bool TRAIN> void finish_forward(const Call& call, int64_t t, const Place& at, const V* panel, int width) {
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS, N = KEPT<TRAIN>;
  const int64_t H = call.hidden, BH = call.batch * H;
  const R* old[S];
  R* fresh[S];
  for (int s = 0; s < S; ++s) old[s] = call.state(s, t), fresh[s] = call.state(s, t + 1);
  R* const kept_rows = call.kept_at(t, N);
  const bool projected = call.hoisted;
  const R* const projections = projected ? call.projected + t * call.batch * PROJECTIONS * H : nullptr;
  for (int v = 0; v < at.vectors; ++v) {
    const int64_t j = at.j + v * L;
    const int lanes = lanes_of(H - j);
    V bias[A], vector[Cell::VECTORS + 1];
    for (int i = 0; i < A; ++i)
      if (Cell::PHASE_OF_ACC[i] == K) bias[i] = load(call.bias() + i * H + j, lanes);
    for (int n = 0; n < Cell::VECTORS; ++n) vector[n] = load(call.vectors() + n * H + j, lanes);
    for (int r = 0; r < at.rows; ++r) {
      const int64_t row = at.row + r, here = row * H + j;
      V acc[A], state[S], kept[N + 1], operand[O + 1], next[S];
#pragma GCC unroll 16
      for (int i = 0; i < A; ++i) {
        if (Cell::PHASE_OF_ACC[i] != K) continue;
        acc[i] = bias[i];
        if (any_product(i, false) || (Cell::READS_X[i] && !projected)) acc[i] += panel[(r * A + i) * width + v];
        if (Cell::READS_X[i] && projected)
          acc[i] += load(projections + (row * PROJECTIONS + place_of_projection(i)) * H + j, lanes);
      }
#pragma GCC unroll 16
      for (int s = 0; s < S; ++s) state[s] = load(old[s] + here, lanes);
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n)
        if (KEPT_PHASE[n] < K) kept[n] = load(kept_rows + (row * N + n) * H + j, lanes);
      cell::forward<K, TRAIN>(acc, state, vector, kept, operand, next);
#pragma GCC unroll 16
      for (int n = 0; n < N; ++n)
        if (KEPT_PHASE[n] == K) store(kept_rows + (row * N + n) * H + j, kept[n], lanes);
#pragma GCC unroll 16
      for (int o = 0; o < O; ++o)
        if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1)
          store(call.scratch + o * BH + here, operand[o], lanes);
      if constexpr (K + 1 == Cell::PHASES) {
#pragma GCC unroll 16
        for (int s = 0; s < S; ++s) store(fresh[s] + here, next[s], lanes);
      }
    }
  }
}

// Products of packed weights into the panel; accumulators that several groups serve are added up.
template <int K> void multiply_packed(const Call& call, int64_t t, const Place& at, const R* weights, V* panel) {
  constexpr int WIDTH = Phase<K>::WIDTH, A = Cell::ACCS;
  const Products& products = Phase<K>::PRODUCTS[call.share()];
  const bool several = products.count > 1 || call.direct;
  if (several || !products.count)
    for (int n = 0; n < at.rows * A * WIDTH; ++n) panel[n] = V{};
  for (int g = 0; g < products.count; ++g) {
    const Group& group = products.group[g];
    Segment<R> segments[Cell::OPERANDS + 1];
    Tile<R> tile{segments, group.operands, weights, panel, A * WIDTH, {}, several};
    for (int n = 0; n < group.operands; ++n) {
      segments[n] = operand_at(call, group.operand[n], t);
      weights += segments[n].depth * group.accs * at.vectors * L;
    }
    for (int a = 0; a < group.accs; ++a)
      for (int v = 0; v < at.vectors; ++v) tile.slot[a * at.vectors + v] = group.acc[a] * WIDTH + v;
    multiply<R>(at.rows, group.accs * at.vectors, tile, at.row);
  }
}

// Products of weights as they lie, for a batch of one.
template <int K> void multiply_direct(const Call& call, int64_t t, const Place& at, V* panel) {
  constexpr int WIDTH = Phase<K>::WIDTH;
  for (int64_t n = 0; n < call.terms; ++n) {
    const Term& term = call.term[n];
    if (term.operand < 0 || Cell::PHASE_OF_OPERAND[term.operand] != K) continue;
    const Segment<R> segment = operand_at(call, int(term.operand), t);
    const R* matrix = call.parameters[term.parameter] + term.offset;
    for (int v = 0; v < at.vectors; ++v) {
      const int64_t j = at.j + v * L;
      panel[term.acc * WIDTH + v] +=
          dots(matrix + j * term.row, term.row, lanes_of(call.hidden - j), segment.rows, segment.depth);
    }
  }
}

template <int K, bool TRAIN> void forward_phase(const Call& call, int64_t t, const Rows& slice, const R* weights) {
  constexpr int WIDTH = Phase<K>::WIDTH;
  const int64_t all = Call::vectors_in(call.hidden), rows = slice.last - slice.first;
  const int64_t tiles = (rows + Phase<K>::ROWS - 1) / Phase<K>::ROWS;
  const int64_t per_vector = depth_forward(call, Phase<K>::PRODUCTS[call.share()]) * L;
  V panel[Phase<K>::ROWS * Cell::ACCS * WIDTH];
  const int64_t blocks = (all + WIDTH - 1) / WIDTH;
  for (int64_t block = 0; block < blocks; ++block) {
    // There and back: a step begins with the weights that the one before left in the first cache.
    const int64_t v0 = (t % 2 ? blocks - 1 - block : block) * WIDTH;
    Place at{0, v0 * L, 0, int(all - v0 < WIDTH ? all - v0 : WIDTH)};
    for (int64_t tile = 0; tile < tiles; ++tile) {
      at.row = slice.first + tile * rows / tiles;
      at.rows = int(slice.first + (tile + 1) * rows / tiles - at.row);
      multiply_packed<K>(call, t, at, weights + v0 * per_vector, panel);
      if (call.direct) multiply_direct<K>(call, t, at, panel);
      finish_forward<K, TRAIN>(call, t, at, panel, WIDTH);
    }
  }
}

template <bool TRAIN, int K = 0> void forward_step(const Call& call, int64_t t, const Rows& slice) {
  forward_phase<K, TRAIN>(call, t, slice, call.weights() + phase_start<K>(call, false));
  if constexpr (K + 1 < Cell::PHASES) forward_step<TRAIN, K + 1>(call, t, slice);
}

}  // namespace
