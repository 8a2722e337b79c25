// The route `steps`: torch multiplies, these kernels do a phase's arithmetic of one step, an element a thread.

struct Single {
  int64 row, j;
  bool exists;
  FN explicit Single(const Call& call) {
    const int64 number = int64(block_index()) * THREADS + thread_index();
    row = number / H, j = number % H, exists = row < call.batch;
  }
};

// call.product: [B, readers of phase K, H]. call.own: [STATES + KEPT_INFER, B, H], what goes from step to step and from
// phase to phase.
template <int K, bool TRAIN> FN void forward_phase(const Call& call) {
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS, N = Cell::KEPT_TRAIN;
  const Single at(call);
  if (!at.exists) return;
  const int64 t = call.step, here = at.row * H + at.j, size = call.batch * H;
  float acc[A], state[S], vector[Cell::VECTORS + 1], kept[N + 1], operand[O + 1], next[S];
  UNROLL for (int i = 0; i < A; ++i)
    if (Cell::PHASE_OF_ACC[i] == K) {
      acc[i] = call.bias[i * H + at.j];
      if (Cell::READS_X[i])
        acc[i] += read(call.projected + ((t * call.batch + at.row) * PROJECTIONS + projection_of(i)) * H + at.j);
      if (reads_any(i)) acc[i] += read(call.product + (at.row * readers_in(K) + place_of_reader(i)) * H + at.j);
    }
  UNROLL for (int s = 0; s < S; ++s) state[s] = call.own[s * size + here];
  UNROLL for (int v = 0; v < Cell::VECTORS; ++v) vector[v] = call.vectors[v * H + at.j];
  UNROLL for (int k = 0; k < Cell::KEPT_INFER; ++k)
    if (KEPT_PHASE[k] < K) kept[k] = call.own[(S + k) * size + here];
  cell::forward<K, TRAIN>(acc, state, vector, kept, operand, next);
  UNROLL for (int k = 0; k < N; ++k)
    if (KEPT_PHASE[k] == K) {
      if (k < Cell::KEPT_INFER) call.own[(S + k) * size + here] = kept[k];
      if (TRAIN) write(call.kept + ((t * call.batch + at.row) * N + k) * H + at.j, kept[k]);
    }
  UNROLL for (int o = 0; o < O; ++o) {
    if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1) write(call.slots + o * size + here, operand[o]);
    if (Cell::OPERAND_STATE[o] >= 0 && K + 1 == Cell::PHASES)
      write(call.slots + o * size + here, next[Cell::OPERAND_STATE[o]]);
  }
  if constexpr (K + 1 == Cell::PHASES)
    UNROLL for (int s = 0; s < S; ++s) {
      call.own[s * size + here] = next[s];
      if (s == 0) write(call.y + t * size + here, next[s]);
      else if (TRAIN) write(call.others + ((s - 1) * call.steps + t) * size + here, next[s]);
    }
}

// call.product: [B, operands of phase FEEDING<K>, H], not read at the last step's last phase. call.own: [kinds, B, H],
// kinds as in Shared<true>.
template <int K> FN void backward_phase(const Call& call) {
  const Single at(call);
  if (!at.exists) return;
  const int64 t = call.step, here = at.row * H + at.j, size = call.batch * H;
  constexpr int F = FEEDING<K>;
  const bool any = K + 1 < Cell::PHASES || t + 1 < call.steps;
  Stored given;
  given.load(call, t, at.row, at.j);
  float products[Cell::OPERANDS + 1];
  UNROLL for (int o = 0; o < Cell::OPERANDS; ++o) {
    products[o] = 0.0f;
    if (Cell::PHASE_OF_OPERAND[o] == F && any)
      products[o] = read(call.product + (at.row * operands_in(F) + place_of_operand(o)) * H + at.j);
  }
  differentiate<K>(
      call, t, at.row, at.j, given, products, [&](int kind) -> float& { return call.own[kind * size + here]; },
      [](int, float) {});
}

#define STEP_KERNELS(K)                                                                \
  KERNEL void forward_infer_##K(PARAMETERS) { forward_phase<K, false>(CALL); }         \
  KERNEL void forward_train_##K(PARAMETERS) { forward_phase<K, true>(CALL); }          \
  KERNEL void backward_##K(PARAMETERS) { backward_phase<K>(CALL); }
