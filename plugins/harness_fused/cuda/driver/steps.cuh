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
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS, N = Cell::KEPT_INFER;
  const Single at(call);
  if (!at.exists) return;
  const int64 t = call.step, here = at.row * H + at.j, size = call.batch * H;
  float acc[A], state[S], vector[Cell::VECTORS + 1], operand[O + 1];
  Advanced<K, TRAIN> found;
  UNROLL for (int i = 0; i < A; ++i)
    if (Cell::PHASE_OF_ACC[i] == K) {
      acc[i] = call.bias[i * H + at.j];
      if (Cell::READS_X[i])
        acc[i] += read(call.projected + ((t * call.batch + at.row) * PROJECTIONS + projection_of(i)) * H + at.j);
      if (reads_any(i)) acc[i] += read(call.product + (at.row * readers_in(K) + place_of_reader(i)) * H + at.j);
    }
  UNROLL for (int s = 0; s < S; ++s) state[s] = call.own[s * size + here];
  UNROLL for (int v = 0; v < Cell::VECTORS; ++v) vector[v] = call.vectors[v * H + at.j];
  UNROLL for (int k = 0; k < N; ++k)
    if (KEPT_PHASE[k] < K) found.kept[k] = call.own[(S + k) * size + here];
  cell::forward<K, TRAIN>(acc, state, vector, found.kept, operand, found.next);
  UNROLL for (int k = 0; k < N; ++k)
    if (KEPT_PHASE[k] == K) call.own[(S + k) * size + here] = found.kept[k];
  UNROLL for (int s = 0; s < S; ++s)
    if (K + 1 == Cell::PHASES) call.own[s * size + here] = found.next[s];
  UNROLL for (int o = 0; o < O; ++o) {
    if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1) write(call.slots + o * size + here, operand[o]);
    if (Cell::OPERAND_STATE[o] >= 0 && K + 1 == Cell::PHASES)
      write(call.slots + o * size + here, found.next[Cell::OPERAND_STATE[o]]);
  }
  found.store(call, t, at.row, at.j);
}

// call.product: [B, operands of phase FEEDING<K>, H], not read at the last step's last phase. call.own: [kinds, B, H],
// kinds as in gradients.cuh.
template <int K> FN void backward_phase(const Call& call) {
  const Single at(call);
  if (!at.exists) return;
  constexpr int F = FEEDING<K>;
  const int64 here = at.row * H + at.j, size = call.batch * H;
  const bool any = K + 1 < Cell::PHASES || call.step + 1 < call.steps;
  Stored given;
  given.load(call, call.step, at.row, at.j);
  float product[Cell::OPERANDS + 1];
  UNROLL for (int o = 0; o < Cell::OPERANDS; ++o) {
    product[o] = 0.0f;
    if (Cell::PHASE_OF_OPERAND[o] == F && any)
      product[o] = read(call.product + (at.row * operands_in(F) + place_of_operand(o)) * H + at.j);
  }
  Slopes<K> found;
  differentiate(given, product, [&](int kind) -> float& { return call.own[kind * size + here]; }, found);
  found.store(call, call.step, at.row, at.j);
}

#define STEP_KERNELS(K)                                                                \
  KERNEL void forward_infer_##K(PARAMETERS) { forward_phase<K, false>(CALL); }         \
  KERNEL void forward_train_##K(PARAMETERS) { forward_phase<K, true>(CALL); }          \
  KERNEL void backward_##K(PARAMETERS) { backward_phase<K>(CALL); }
