// What kernels are given, and what follows from a generated `Cell` at compile time.
//
// Arrays are contiguous; E is the number format of the layer. PAIRS counts the accumulators' in-loop products in order:
// pair_of(acc, operand) is the place of M[j][k] (acc += operand · Mᵀ) in `weights`. A launch is given 0 for what it does
// not need.
using cell::Cell;

struct Call {
  int64 steps, batch, rows;     // T, B, rows of the batch a group owns: a multiple of TILE
  const E* weights;             // [PAIRS, H, H]
  const float* bias;            // [ACCS, H]: the sum of an accumulator's biases
  const float* vectors;         // [VECTORS, H]
  const E* projected;           // [T, B, PROJECTIONS, H]: products of x, for accumulators that read it
  const E* initial;             // [STATES, B, H]
  E* y;                         // [T, B, H]
  E* others;                    // [STATES − 1, T, B, H]: states but the output after each step; when training
  E* kept;                      // [T, B, KEPT_TRAIN, H]; when training
  E* final;                     // [STATES, B, H]
  const E* d_y;                 // [T, B, H] or none
  const E* d_final;             // [STATES, B, H] or none
  E* d_acc;                     // [T, B, ACCS, H]
  E* operands;                  // [COMPUTED, T, B, H]: operands that phases compute, for gradients of their matrices
  float* d_vector;              // [B, VECTORS, H]
  E* d_initial;                 // [STATES, B, H]
  E* exchange;                  // grid: [groups, 2, slots, rows, STRIDE], between the blocks of a group
  unsigned* flags;              // grid: [groups, FLAGS], zeros
  unsigned* packed;             // block, grid: [blocks, HELD_WORDS / 4, THREADS, 4]
  int64 step;                   // steps: which one this launch is
  const E* product;             // steps: [B, outputs of the phase, H], by torch
  float* own;                   // steps: [kinds, B, H], see steps.cuh
  E* slots;                     // steps: [OPERANDS, B, H], what the next products read
};

// All kernels have the same parameters, eight bytes each.
#define PARAMETERS                                                                                                    \
  int64 steps, int64 batch, int64 rows, const E *weights, const float *bias, const float *vectors, const E *projected, \
      const E *initial, E *y, E *others, E *kept, E *final, const E *d_y, const E *d_final, E *d_acc, E *operands,     \
      float *d_vector, E *d_initial, E *exchange, unsigned *flags, unsigned *packed, int64 step, const E *product, float *own, E *slots
#define CALL                                                                                                         \
  Call {                                                                                                             \
    steps, batch, rows, weights, bias, vectors, projected, initial, y, others, kept, final, d_y, d_final, d_acc,       \
        operands, d_vector, d_initial, exchange, flags, packed, step, product, own, slots                                     \
  }

constexpr int64 H = HIDDEN;

FN constexpr bool reads_any(int acc) {
  for (int o = 0; o < Cell::OPERANDS; ++o)
    if (Cell::READS[acc][o]) return true;
  return false;
}

FN constexpr int pair_of(int acc, int operand) {
  int pair = 0;
  for (int i = 0; i <= acc; ++i)
    for (int o = 0; o < (i < acc ? Cell::OPERANDS : operand); ++o) pair += Cell::READS[i][o];
  return pair;
}

// The n-th accumulator of a phase that has an in-loop product, the n-th operand that a phase reads; ACCS or OPERANDS if
// there are no more.
FN constexpr int reader(int phase, int n) {
  int acc = 0;
  for (; acc < Cell::ACCS; ++acc)
    if (Cell::PHASE_OF_ACC[acc] == phase && reads_any(acc) && n-- == 0) break;
  return acc;
}
FN constexpr int operand_of(int phase, int n) {
  int operand = 0;
  for (; operand < Cell::OPERANDS; ++operand)
    if (Cell::PHASE_OF_OPERAND[operand] == phase && n-- == 0) break;
  return operand;
}
FN constexpr int readers_in(int phase) {
  int count = 0;
  while (reader(phase, count) < Cell::ACCS) ++count;
  return count;
}
FN constexpr int operands_in(int phase) {
  int count = 0;
  while (operand_of(phase, count) < Cell::OPERANDS) ++count;
  return count;
}

FN constexpr int projection_of(int acc) {
  int place = 0;
  for (int i = 0; i < acc; ++i) place += Cell::READS_X[i];
  return place;
}
constexpr int PROJECTIONS = projection_of(Cell::ACCS);

FN constexpr int computed_of(int operand) {
  int place = 0;
  for (int o = 0; o < operand; ++o) place += Cell::OPERAND_STATE[o] < 0;
  return place;
}

// An accumulator's or operand's place among its phase's readers or operands.
FN constexpr int place_of_reader(int acc) {
  int place = 0;
  while (reader(Cell::PHASE_OF_ACC[acc], place) != acc) ++place;
  return place;
}
FN constexpr int place_of_operand(int operand) {
  int place = 0;
  while (operand_of(Cell::PHASE_OF_OPERAND[operand], place) != operand) ++place;
  return place;
}

// What products read of a step lies in slots, those of a phase side by side: forward all operands, backward the gradients
// of accumulators that have in-loop products.
FN constexpr int readers_before(int acc) {
  int count = 0;
  for (int i = 0; i < acc; ++i) count += reads_any(i);
  return count;
}

// The phase whose products give what the pointwise gradients of phase K need: the next, or the first of the step after.
template <int K> constexpr int FEEDING = K + 1 == Cell::PHASES ? 0 : K + 1;
