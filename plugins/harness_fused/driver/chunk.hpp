// Products over a whole chunk of steps: x with its matrices, gradients of matrices, gradients of x.
//
// Rows are steps times batch, `count` of them, and lie behind one another. Threads share the rows or the columns of the
// result; every element is summed in the same order whoever sums it.
#pragma once
#include "backward.hpp"

namespace {

// A half-open range of some columns or rows, this thread's part of a chunk's work.
struct Part {
  int64_t first, last;
  Part(int64_t count, int64_t part, int64_t parts) : first(count * part / parts), last(count * (part + 1) / parts) {}
};

// ---- to[m][j] += Σ_n a[n][m] · b[n][j] ----

constexpr int64_t DEEPEST = 128;  // rows summed before the sums go to memory; 64 numbers of each stay in the first cache

struct Outer {
  const R *a, *b;
  R* to;
  int64_t a_stride, b_stride, to_stride;
};

template <int ROWS, int COLUMNS> __attribute__((noinline)) void outer(const Outer& o, int64_t count, int lanes) {
  V sum[ROWS][COLUMNS] = {};
  const R *a = o.a, *b = o.b;
  for (int64_t n = 0; n < count; ++n, a += o.a_stride, b += o.b_stride) {
    V column[COLUMNS];
#pragma GCC unroll 4
    for (int c = 0; c < COLUMNS; ++c) column[c] = load(b + c * L, c + 1 < COLUMNS ? L : lanes);
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; ++r) {
      const R number = a[r];
#pragma GCC unroll 4
      for (int c = 0; c < COLUMNS; ++c) sum[r][c] += number * column[c];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < ROWS; ++r)
#pragma GCC unroll 4
    for (int c = 0; c < COLUMNS; ++c) {
      const int wide = c + 1 < COLUMNS ? L : lanes;
      R* to = o.to + r * o.to_stride + c * L;
      store(to, load<R>(to, wide) + sum[r][c], wide);
    }
}

template <int COLUMNS, int ROWS = rows_beside(COLUMNS)>
inline void outer_of_rows(int rows, const Outer& o, int64_t count, int lanes) {
  if constexpr (ROWS == 1) outer<1, COLUMNS>(o, count, lanes);
  else if (rows == ROWS) outer<ROWS, COLUMNS>(o, count, lanes);
  else outer_of_rows<COLUMNS, ROWS - 1>(rows, o, count, lanes);
}

constexpr int TILES = 8;  // of the result's rows whose `a` is copied to lie together: rows of `a` are often 4 KB apart

inline void add_tile(int rows, int64_t columns, const Outer& o, int64_t count, int lanes) {
  constexpr int MOST = rows_beside(MOST_COLUMNS);
  if (columns == 1) outer_of_rows<1, MOST>(rows, o, count, lanes);
  else if (columns == 2) outer_of_rows<2, MOST>(rows, o, count, lanes);
  else if (columns == 3) outer_of_rows<3, MOST>(rows, o, count, lanes);
  else outer_of_rows<4, MOST>(rows, o, count, lanes);
}

// Some n of some rows m, all j.
inline void add_rows(const Outer& o, int64_t rows, int64_t width, int64_t count) {
  constexpr int MOST = rows_beside(MOST_COLUMNS), BLOCK = (MOST * TILES + L - 1) / L * L;
  alignas(64) R together[DEEPEST * BLOCK];
  for (int64_t n = 0; n < count; ++n)
    for (int64_t m = 0; m < rows; m += L)
      store(together + n * BLOCK + m, load(o.a + n * o.a_stride + m, lanes_of(rows - m)), L);
  const int64_t tiles = (rows + MOST - 1) / MOST;
  for (int64_t j = 0; j < width; j += MOST_COLUMNS * L) {
    const int64_t rest = Call::vectors_in(width - j), columns = rest < MOST_COLUMNS ? rest : MOST_COLUMNS;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t m = tile * rows / tiles;
      const Outer here{together + m, o.b + j, o.to + m * o.to_stride + j, BLOCK, o.b_stride, o.to_stride};
      add_tile(int((tile + 1) * rows / tiles - m), columns, here, count, lanes_of(width - j - (columns - 1) * L));
    }
  }
}

// All of it for `rows` m and `width` j.
inline void add_outer(const Outer& o, int64_t rows, int64_t width, int64_t count) {
  constexpr int64_t BLOCK = rows_beside(MOST_COLUMNS) * TILES;
  for (int64_t n = 0; n < count; n += DEEPEST)
    for (int64_t m = 0; m < rows; m += BLOCK) {
      const Outer here{o.a + n * o.a_stride + m, o.b + n * o.b_stride, o.to + m * o.to_stride,
                       o.a_stride, o.b_stride, o.to_stride};
      add_rows(here, rows - m < BLOCK ? rows - m : BLOCK, width, count - n < DEEPEST ? count - n : DEEPEST);
    }
}

// A chunk's share of one matrix's gradient, or of a transposed one's: the rows of the result are shared among threads.
inline void add_gradient(const Call& call, const Gradient& gradient, int64_t first, int64_t last, int64_t part) {
  const int64_t H = call.hidden, B = call.batch, width = Cell::ACCS * H;
  const int o = int(gradient.operand), s = o == X ? 0 : Cell::OPERAND_STATE[o];
  const int64_t K = depth_of(call, o), M = gradient.count * H;
  const R* rows = o == X ? call.x : s < 0 ? call.operands + o * call.chunk * B * H : call.state(s, 0);
  const R *slopes = call.d_acc + first * B * width + gradient.first * H, *numbers = rows + first * B * K;
  if (gradient.column == 1) {
    const Part mine(M, part, call.threads);
    const Outer o{slopes + mine.first, numbers, gradient.to + mine.first * gradient.row, width, K, gradient.row};
    add_outer(o, mine.last - mine.first, K, (last - first) * B);
  } else {
    const Part mine(K, part, call.threads);
    const Outer o{numbers + mine.first, slopes, gradient.to + mine.first * gradient.column, K, width, gradient.column};
    add_outer(o, mine.last - mine.first, M, (last - first) * B);
  }
}

inline void add_gradients(const Call& call, int64_t first, int64_t last, int64_t part) {
  for (int64_t n = 0; n < call.gradients; ++n) {
    const int64_t operand = call.gradient[n].operand;
    if (operand >= 0 || (operand == X && call.hoisted)) add_gradient(call, call.gradient[n], first, last, part);
  }
  const Gradient across{X, 0, Cell::ACCS, call.d_across, 1, Cell::ACCS * call.hidden};
  if (!call.hoisted) add_gradient(call, across, first, last, part);
}

// When all chunks are done: gradients of a narrow x's matrices, biases and vectors from where they were added up.
inline void spread(const Call& call) {
  const int64_t H = call.hidden;
  for (int64_t n = 0; n < call.gradients; ++n) {
    const Gradient& gradient = call.gradient[n];
    const int64_t M = gradient.count * H, start = gradient.first * H;
    if (gradient.operand == X && !call.hoisted)
      for (int64_t k = 0; k < call.inputs; ++k)
        for (int64_t j = 0; j < M; ++j)
          gradient.to[j * gradient.row + k * gradient.column] += call.d_across[k * Cell::ACCS * H + start + j];
    const bool bias = gradient.operand == BIAS;
    if (!bias && gradient.operand != VECTOR) continue;
    const R* from = (bias ? call.d_bias : call.d_vector) + start;
    const int64_t width = (bias ? Cell::ACCS : Cell::VECTORS) * H;
    for (int64_t row = 0; row < (bias ? call.threads : call.batch); ++row)
      for (int64_t j = 0; j < M; ++j) gradient.to[j] += from[row * width + j];
  }
}

// ---- products with packed matrices of x ----

// to[n][0 … width) = Σ over segments of rows n times packed weights; `to` has `stride` numbers a row.
inline void multiply_all(const Segment<R>* segments, int count, const R* weights, R* to, int64_t stride, int64_t width, const Part& rows) {
  constexpr int MOST = rows_beside(MOST_COLUMNS);
  V panel[MOST * MOST_COLUMNS];
  int64_t depth = 0;
  for (int s = 0; s < count; ++s) depth += segments[s].depth;
  const int64_t tiles = (rows.last - rows.first + MOST - 1) / MOST;
  for (int64_t j = 0; j < width; j += MOST_COLUMNS * L) {
    const int64_t rest = Call::vectors_in(width - j);
    const int columns = int(rest < MOST_COLUMNS ? rest : MOST_COLUMNS);
    const Tile<R> tile{segments, count, weights + j * depth, panel, MOST_COLUMNS, {0, 1, 2, 3}, false};
    for (int64_t n = 0; n < tiles; ++n) {
      const int64_t row = rows.first + n * (rows.last - rows.first) / tiles;
      const int high = int(rows.first + (n + 1) * (rows.last - rows.first) / tiles - row);
      multiply<R>(high, columns, tile, row);
      for (int r = 0; r < high; ++r)
        for (int c = 0; c < columns; ++c)
          store(to + (row + r) * stride + j + c * L, panel[r * MOST_COLUMNS + c], lanes_of(width - j - c * L));
    }
  }
}

inline void project(const Call& call, int64_t first, int64_t last, int64_t part) {
  const int64_t B = call.batch, I = call.inputs, H = call.hidden;
  const Segment<R> rows{call.x + first * B * I, I, I};
  const R* weights = call.weights() + phase_start<Cell::PHASES>(call, false);
  for (int n = 0; n < PROJECTIONS; ++n, weights += I * Call::round_up(H))
    multiply_all(&rows, 1, weights, call.projected + (first * B * PROJECTIONS + n) * H, PROJECTIONS * H, H,
                 Part((last - first) * B, part, call.threads));
}

// Gradients of a narrow x: to[n][i] = Σ_m d_acc[n][m] · matrix[i][m] for L / INPUTS rows and INPUTS inputs at once.
template <int INPUTS> void narrow(const R* slopes, int64_t width, int64_t rows, const R* matrix, R* to, int64_t I) {
  constexpr int ROWS = L / INPUTS;
  for (int64_t n = 0; n < rows; n += ROWS) {
    V sum[L] = {};
    const R* row[ROWS];
    for (int r = 0; r < ROWS; ++r) row[r] = slopes + (n + r < rows ? n + r : rows - 1) * width;
    for (int64_t m = 0; m < width; m += L) {
      const int lanes = lanes_of(width - m);
      V column[INPUTS];
#pragma GCC unroll 4
      for (int i = 0; i < INPUTS; ++i) column[i] = load(matrix + i * width + m, lanes);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; ++r) {
        const V number = load(row[r] + m, lanes);
#pragma GCC unroll 4
        for (int i = 0; i < INPUTS; ++i) sum[r * INPUTS + i] += number * column[i];
      }
    }
    const V found = lane_sums<R>(sum);
    for (int r = 0; r < ROWS && n + r < rows; ++r)
      for (int i = 0; i < INPUTS; ++i) to[(n + r) * I + i] = found[r * INPUTS + i];
  }
}

inline void gradient_of_x(const Call& call, int64_t first, int64_t last, int64_t part) {
  const int64_t B = call.batch, I = call.inputs, H = call.hidden, width = Cell::ACCS * H;
  const R* weights = call.weights() + (call.direct ? 0 : phase_start<Cell::PHASES>(call, true));
  const R* slopes = call.d_acc + first * B * width;
  const Part rows((last - first) * B, part, call.threads);
  if (call.hoisted) {
    Segment<R> segments[Cell::ACCS];
    int count = 0;
    for (int i = 0; i < Cell::ACCS; ++i)
      if (Cell::READS_X[i]) segments[count++] = {slopes + i * H, width, H};
    multiply_all(segments, count, weights, call.d_x + first * B * I, I, I, rows);
    return;
  }
  slopes += rows.first * width;
  R* to = call.d_x + (first * B + rows.first) * I;
  for (int64_t i = 0; i < I;) {
    const R* matrix = weights + i * width;
    const int64_t count = rows.last - rows.first;
    if (I - i >= 4 && L >= 4) narrow<L >= 4 ? 4 : 1>(slopes, width, count, matrix, to + i, I), i += 4;
    else if (I - i >= 2) narrow<2>(slopes, width, count, matrix, to + i, I), i += 2;
    else narrow<1>(slopes, width, count, matrix, to + i, I), i += 1;
  }
}

}  // namespace
