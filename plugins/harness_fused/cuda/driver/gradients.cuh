// The pointwise gradients of one element, whoever multiplies.

// What a thread owns of an element, by kind: see Shared<true>::OWN in place.cuh.
constexpr int D_NEXT = Cell::STATES, ADJOINT = Cell::STATES * (Cell::PHASES > 1 ? 2 : 1), D_VECTOR = ADJOINT + Cell::ADJOINTS;

// Those of phase K. product[o]: what products gave to operand o; own(kind): the thread's own.
template <int K, class Own> FN void differentiate(const Stored& given, const float* product, Own own, Slopes<K>& found) {
  constexpr int S = Cell::STATES, O = Cell::OPERANDS;
  constexpr bool LAST = K + 1 == Cell::PHASES;
  float d_operand[O + 1], d_next[S], d_state[S], adjoint[Cell::ADJOINTS + 1], d_vector[Cell::VECTORS + 1];
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
  cell::backward<K>(given.state, given.next, given.vector, given.kept, d_operand, d_next, adjoint, found.d_acc, d_state,
                    d_vector);
  cell::operands<K>(given.state, given.next, given.vector, given.kept, found.operand);
  UNROLL for (int s = 0; s < S; ++s) own(s) = d_state[s];
  UNROLL for (int n = 0; n < Cell::ADJOINTS; ++n) own(ADJOINT + n) = adjoint[n];
  UNROLL for (int n = 0; n < Cell::VECTORS; ++n) own(D_VECTOR + n) = d_vector[n];
}
