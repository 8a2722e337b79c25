// What a call is given, as the Python side lays it out, and where a step finds its rows.
#pragma once
#include "plan.hpp"

namespace {

using R = REAL;
using V = Vector<R>;
constexpr int L = LANES<R>;

constexpr int BIAS = -2, VECTOR = -3;  // in place of an operand

// acc ← acc + operand @ Mᵀ with M[j][k] = parameters[parameter][offset + j·row + k·column], j < H; a bias has k = 0
// alone; for a vector `acc` says which one.
struct Term {
  int64_t acc, operand, parameter, offset, row, column;
};

// All arrays are contiguous. `states`: of the output [T + 1, B, H], of others [slots, B, H], the state before step t in
// slot t, for others t mod slots;
// `kept`: [T, B, KEPT, H], or with a `kept_step` of 0 one [B, KEPT, H] for all steps. Pointers that are indexed by a
// step may be given shifted, so that only the steps at hand exist.
struct Call {
  int64_t batch, inputs, hidden, slots, kept_step, operand_steps, terms, share, direct;
  const Term* term;
  const R* const* parameters;
  R* packed;              // bias [ACCS, H], vectors [VECTORS, H], weights; each at a multiple of 64 bytes
  R* const* states;
  R* kept;
  R* scratch;             // [OPERANDS, B, H]: computed operands of the step at hand
  const R* x;             // [T, B, I]
  const R* projected;     // [T, B, ACCS that read x, H], unless products of x are computed here
  const R* d_y;           // [T, B, H] or none
  R* d_state;             // [STATES, B, H]: of the states after the last step, then of those before the first
  R* d_next;              // [STATES, B, H] and adjoints [ADJOINTS, B, H], for cells of several phases
  R* d_acc;               // [T, B, ACCS, H]
  R* operands;            // [OPERANDS, operand_steps, B, H]: the computed ones again, for gradients of their matrices
  R* d_vector;            // [B, VECTORS, H], added to
  R* d_bias;              // [threads, ACCS, H], added to

  R* state(int s, int64_t t) const { return states[s] + (s ? t % slots : t) * batch * hidden; }
  R* kept_at(int64_t t, int rows) const { return kept + t * kept_step * rows * batch * hidden; }
  const R* bias() const { return packed; }
  const R* vectors() const { return packed + round_up(Cell::ACCS * hidden); }
  R* weights() const { return packed + round_up(Cell::ACCS * hidden) + round_up(Cell::VECTORS * hidden); }
  int64_t all_vectors() const { return (hidden + L - 1) / L; }
  static int64_t round_up(int64_t count) { return (count + L - 1) / L * L; }
};

// A part of the batch, and which of the parts it is.
struct Rows {
  int64_t first, last, part;
};

// Elements of width `depth` that one row of an operand has.
inline int64_t depth_of(const Call& call, int operand) { return operand == X ? call.inputs : call.hidden; }

// The rows of an operand at step t.
inline Segment<R> operand_at(const Call& call, int o, int64_t t) {
  if (o == X) return {call.x + t * call.batch * call.inputs, call.inputs, call.inputs};
  const int s = Cell::OPERAND_STATE[o];
  const R* rows = s >= 0 ? call.state(s, t) : call.scratch + o * call.batch * call.hidden;
  return {rows, call.hidden, call.hidden};
}

inline int lanes_from(const Call& call, int64_t j) { return int(call.hidden - j < L ? call.hidden - j : L); }

}  // namespace
