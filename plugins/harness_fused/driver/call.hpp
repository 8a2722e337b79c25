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

// A gradient to add to: of M[j][k] of neighbouring accumulators, H rows each, and one operand, at to[j·row + k·column];
// one of `row` and `column` is 1. Or of their biases, or of vectors, at to[j].
struct Gradient {
  int64_t operand, first, count;
  R* to;
  int64_t row, column;
};

// All arrays are contiguous. `states`: of the output [T + 1, B, H], of others [slots, B, H], the state before step t in
// slot t, for others t mod slots; `kept`: [T, B, KEPT, H], or with a `kept_step` of 0 one [B, KEPT, H] for all steps.
// Arrays of a chunk of `chunk` steps are [chunk, …]; while a chunk is at hand they are shifted to be indexed by t.
struct Call {
  int64_t steps, batch, inputs, hidden, chunk, slots, kept_step, direct, hoisted, terms, gradients, threads;
  const Term* term;
  const R* const* parameters;
  R* packed;              // bias [ACCS, H], vectors [VECTORS, H], weights; each at a multiple of 64 bytes
  const R* x;             // [T, B, I]
  R* const* states;
  const R* const* start;  // [B, H] each: what to put before the first step
  R* const* final;        // [B, H] each: where to put what is behind the last, or none
  R* kept;
  R* scratch;             // [OPERANDS, B, H]: computed operands of the step at hand
  R* projected;           // [chunk, B, ACCS that read x, H]: products of x, where they are `hoisted`
  const Gradient* gradient;
  const R* d_y;           // [T, B, H] or none
  R* d_x;                 // [T, B, I] or none
  R* d_state;             // [STATES, B, H]: of the states after the last step, then of those before the first
  R* d_next;              // [STATES + ADJOINTS, B, H], for cells of several phases
  R* d_acc;               // [chunk, B, ACCS, H]
  R* operands;            // [OPERANDS, chunk, B, H]: the computed ones again, for gradients of their matrices
  R* d_vector;            // [B, VECTORS, H], zeros
  R* d_bias;              // [threads, ACCS, H], zeros
  R* d_across;            // [I, ACCS, H], zeros: gradients of the matrices of a narrow x, transposed

  R* state(int s, int64_t t) const { return states[s] + (s ? t % slots : t) * batch * hidden; }
  R* kept_at(int64_t t, int rows) const { return kept + t * kept_step * rows * batch * hidden; }
  const R* bias() const { return packed; }
  const R* vectors() const { return packed + round_up(Cell::ACCS * hidden); }
  R* weights() const { return packed + round_up(Cell::ACCS * hidden) + round_up(Cell::VECTORS * hidden); }
  int share() const { return direct ? (hoisted ? NOTHING : INPUT) : (hoisted ? LOOP : ALL); }
  static int64_t vectors_in(int64_t width) { return (width + L - 1) / L; }
  static int64_t round_up(int64_t count) { return vectors_in(count) * L; }
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

inline int lanes_of(int64_t width) { return int(width < L ? width : L); }

}  // namespace
