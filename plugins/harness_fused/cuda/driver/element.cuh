// One element's way to and from memory, whoever multiplies.

// What phase K of the arithmetic leaves of an element, beside what the products of later phases read.
template <int K, bool TRAIN> struct Advanced {
  float kept[Cell::KEPT_TRAIN + 1], next[Cell::STATES];

  FN void store(const Call& call, int64 t, int64 row, int64 j) const {
    constexpr int N = Cell::KEPT_TRAIN;
    UNROLL for (int k = 0; k < N; ++k)
      if (TRAIN && KEPT_PHASE[k] == K) write(call.kept + ((t * call.batch + row) * N + k) * H + j, kept[k]);
    if constexpr (K + 1 == Cell::PHASES) {
      const int64 here = (t * call.batch + row) * H + j;
      write(call.y + here, next[0]);
      UNROLL for (int s = 1; s < Cell::STATES; ++s)
        if (TRAIN) write(call.others + (s - 1) * call.steps * call.batch * H + here, next[s]);
    }
  }
};

FN const E* states_after(const Call& call, int state, int64 t) {
  const int64 size = call.batch * H;
  if (t < 0) return call.initial + state * size;
  return state ? call.others + ((state - 1) * call.steps + t) * size : call.y + t * size;
}

// What the pointwise gradients of an element read from memory, asked for before the products so that it comes meanwhile.
struct Stored {
  float state[Cell::STATES], next[Cell::STATES], kept[Cell::KEPT_TRAIN + 1], vector[Cell::VECTORS + 1], d_y;

  FN void load(const Call& call, int64 t, int64 row, int64 j) {
    const int64 here = row * H + j;
    UNROLL for (int s = 0; s < Cell::STATES; ++s) {
      state[s] = read(states_after(call, s, t - 1) + here), next[s] = read(states_after(call, s, t) + here);
    }
    UNROLL for (int k = 0; k < Cell::KEPT_TRAIN; ++k)
      kept[k] = read(call.kept + ((t * call.batch + row) * Cell::KEPT_TRAIN + k) * H + j);
    UNROLL for (int v = 0; v < Cell::VECTORS; ++v) vector[v] = call.vectors[v * H + j];
    d_y = call.d_y ? read(call.d_y + t * call.batch * H + here) : 0.0f;
  }
};

// What the pointwise gradients of phase K leave of an element.
template <int K> struct Slopes {
  float d_acc[Cell::ACCS], operand[Cell::OPERANDS + 1];

  FN void store(const Call& call, int64 t, int64 row, int64 j) const {
    UNROLL for (int i = 0; i < Cell::ACCS; ++i)
      if (Cell::PHASE_OF_ACC[i] == K) write(call.d_acc + ((t * call.batch + row) * Cell::ACCS + i) * H + j, d_acc[i]);
    UNROLL for (int o = 0; o < Cell::OPERANDS; ++o)
      if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1)
        write(call.operands + ((computed_of(o) * call.steps + t) * call.batch + row) * H + j, operand[o]);
  }
};
