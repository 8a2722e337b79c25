// The pointwise gradients of one element, whoever multiplies.

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

// What a thread owns of an element, by kind: see Shared<true>::OWN.
constexpr int D_NEXT = Cell::STATES, ADJOINT = Cell::STATES * (Cell::PHASES > 1 ? 2 : 1), D_VECTOR = ADJOINT + Cell::ADJOINTS;

// The pointwise gradients of phase K of one element. product[o]: what products gave to operand o; own(kind): its own.
// put_acc(i, number): where gradients of accumulators go.
template <int K, class Own, class Put>
FN void differentiate(const Call& call, int64 t, int64 row, int64 j, const Stored& given, const float* product, Own own,
                      Put put_acc) {
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS;
  constexpr bool LAST = K + 1 == Cell::PHASES;
  float d_operand[O + 1], d_next[S], d_state[S], adjoint[Cell::ADJOINTS + 1], d_acc[A], d_vector[Cell::VECTORS + 1];
  float operand[O + 1];
  UNROLL for (int s = 0; s < S; ++s) {
    float through = own(s);
    UNROLL for (int o = 0; o < O; ++o)
      if (Cell::OPERAND_STATE[o] == s && Cell::PHASE_OF_OPERAND[o] == FEEDING<K>) through += product[o];
    d_next[s] = LAST ? through : own(D_NEXT + s);
    d_state[s] = LAST ? 0.0f : through;
    if (LAST && s == 0) d_next[s] += given.d_y;
    if (LAST && Cell::PHASES > 1) own(D_NEXT + s) = d_next[s];
  }
  UNROLL for (int n = 0; n < Cell::ADJOINTS; ++n) adjoint[n] = LAST ? 0.0f : own(ADJOINT + n);
  UNROLL for (int n = 0; n < Cell::VECTORS; ++n) d_vector[n] = own(D_VECTOR + n);
  UNROLL for (int o = 0; o < O; ++o)
    if (Cell::PHASE_OF_OPERAND[o] == K + 1) d_operand[o] = product[o];
  cell::backward<K>(given.state, given.next, given.vector, given.kept, d_operand, d_next, adjoint, d_acc, d_state, d_vector);
  cell::operands<K>(given.state, given.next, given.vector, given.kept, operand);
  UNROLL for (int s = 0; s < S; ++s) own(s) = d_state[s];
  UNROLL for (int n = 0; n < Cell::ADJOINTS; ++n) own(ADJOINT + n) = adjoint[n];
  UNROLL for (int n = 0; n < Cell::VECTORS; ++n) own(D_VECTOR + n) = d_vector[n];
  UNROLL for (int i = 0; i < A; ++i)
    if (Cell::PHASE_OF_ACC[i] == K) {
      write(call.d_acc + ((t * call.batch + row) * A + i) * H + j, d_acc[i]);
      put_acc(i, d_acc[i]);
    }
  UNROLL for (int o = 0; o < O; ++o)
    if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1)
      write(call.operands + ((computed_of(o) * call.steps + t) * call.batch + row) * H + j, operand[o]);
}
