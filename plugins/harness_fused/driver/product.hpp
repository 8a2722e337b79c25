// Small matrix products: up to 8 rows of operands against up to 4 columns of vectors, sums held in registers.
#pragma once
#include "vector.hpp"

namespace {

constexpr int MOST_COLUMNS = 4;
constexpr int MOST_ROWS = 8;

// How many rows fill the registers beside the columns' weights and one broadcast.
constexpr int rows_beside(int columns) {
  const int fit = (REGISTERS * 3 / 4) / columns;
  return fit < MOST_ROWS ? fit : MOST_ROWS;
}

// An operand of a product: element k < depth of row r is rows[r * stride + k].
template <class R> struct Segment { const R* rows; int64_t stride, depth; };

// What a tile is multiplied from and where it goes: `weights` is packed [segments][depth][columns], one vector each;
// column c of row r is put, or added with `add`, to panel[r * panel_stride + slot[c]].
template <class R> struct Tile {
  const Segment<R>* segments;
  int count;
  const R* weights;
  Vector<R>* panel;
  int panel_stride;
  int slot[MOST_COLUMNS];
  bool add;
};

template <class R, int ROWS, int COLUMNS> __attribute__((noinline)) void product(const Tile<R>& tile, int64_t first_row) {
  using V = Vector<R>;
  V sum[ROWS][COLUMNS] = {};
  const R* weights = tile.weights;
  for (int s = 0; s < tile.count; ++s) {
    const Segment<R> segment = tile.segments[s];
    const R* row[ROWS];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) row[r] = segment.rows + (first_row + r) * segment.stride;
    for (int64_t k = 0; k < segment.depth; ++k, weights += COLUMNS * LANES<R>) {
      V column[COLUMNS];
      memcpy(column, __builtin_assume_aligned(weights, sizeof(V)), sizeof column);
#pragma GCC unroll 8
      for (int r = 0; r < ROWS; ++r) {
        const R number = row[r][k];
#pragma GCC unroll 4
        for (int c = 0; c < COLUMNS; ++c) sum[r][c] += number * column[c];
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r) {
#pragma GCC unroll 4
    for (int c = 0; c < COLUMNS; ++c) {
      V* to = tile.panel + r * tile.panel_stride + tile.slot[c];
      *to = tile.add ? *to + sum[r][c] : sum[r][c];
    }
  }
}

template <class R, int COLUMNS, int ROWS = rows_beside(COLUMNS)>
FN void product_of_rows(int rows, const Tile<R>& tile, int64_t first_row) {
  if constexpr (ROWS == 1) product<R, 1, COLUMNS>(tile, first_row);
  else if (rows == ROWS) product<R, ROWS, COLUMNS>(tile, first_row);
  else product_of_rows<R, COLUMNS, ROWS - 1>(rows, tile, first_row);
}

// Rows first_row … first_row + rows − 1 of the operands times `columns` columns of weights.
template <class R> FN void multiply(int rows, int columns, const Tile<R>& tile, int64_t first_row) {
  if (columns == 1) product_of_rows<R, 1>(rows, tile, first_row);
  else if (columns == 2) product_of_rows<R, 2>(rows, tile, first_row);
  else if (columns == 3) product_of_rows<R, 3>(rows, tile, first_row);
  else product_of_rows<R, 4>(rows, tile, first_row);
}

// ---- one row alone: weights where they are, nothing packed ----

// Lane l: Σ_k matrix[l][k] · operand[k] for l < rows ≤ LANES, k < depth.
template <class R> Vector<R> dots(const R* matrix, int64_t stride, int rows, const R* operand, int64_t depth) {
  using V = Vector<R>;
  constexpr int L = LANES<R>, TOGETHER = L < 4 ? L : 4;
  V sum[L];
  for (int l = 0; l < L; l += TOGETHER) {
    V part[TOGETHER] = {};
    const R* row[TOGETHER];
#pragma GCC unroll 4
    for (int n = 0; n < TOGETHER; ++n) row[n] = matrix + (l + n < rows ? l + n : rows - 1) * stride;
    int64_t k = 0;
    for (; k + L <= depth; k += L) {
      const V numbers = load(operand + k, L);
#pragma GCC unroll 4
      for (int n = 0; n < TOGETHER; ++n) part[n] += load(row[n] + k, L) * numbers;
    }
    if (k < depth) {
      const V numbers = load(operand + k, int(depth - k));
#pragma GCC unroll 4
      for (int n = 0; n < TOGETHER; ++n) part[n] += load(row[n] + k, int(depth - k)) * numbers;
    }
#pragma GCC unroll 4
    for (int n = 0; n < TOGETHER; ++n) sum[l + n] = part[n];
  }
  return lane_sums<R>(sum);
}

// vectors[v] (the last of them `last` lanes wide): Σ_j factor[j] · matrix[j][columns of v], j < depth.
template <class R, int VECTORS>
void combination(const R* matrix, int64_t stride, const R* factor, int64_t depth, int last, bool add, Vector<R>* out) {
  constexpr int L = LANES<R>;
  Vector<R> sum[VECTORS] = {};
  for (int64_t j = 0; j < depth; ++j, matrix += stride) {
#pragma GCC unroll 8
    for (int v = 0; v < VECTORS; ++v) sum[v] += factor[j] * load(matrix + v * L, v + 1 < VECTORS ? L : last);
  }
#pragma GCC unroll 8
  for (int v = 0; v < VECTORS; ++v) out[v] = add ? out[v] + sum[v] : sum[v];
}

template <class R, int VECTORS = 8>
FN void combine(int vectors, const R* matrix, int64_t stride, const R* factor, int64_t depth, int last, bool add,
                Vector<R>* out) {
  if constexpr (VECTORS == 1) combination<R, 1>(matrix, stride, factor, depth, last, add, out);
  else if (vectors == VECTORS) combination<R, VECTORS>(matrix, stride, factor, depth, last, add, out);
  else combine<R, VECTORS - 1>(vectors, matrix, stride, factor, depth, last, add, out);
}

}  // namespace
