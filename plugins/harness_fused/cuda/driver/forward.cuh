// Forward over a whole sequence: products of a tile of rows, then the arithmetic of its elements.
//
// What the next phase waits for is written and announced first, what only memory waits for behind it; what comes from
// memory is asked for before waiting.

// What a phase adds to its products and computes with: biases, products of x, vectors.
template <int K> struct Given {
  float acc[ELEMENTS][Cell::ACCS], vector[ELEMENTS][Cell::VECTORS + 1];
  FN Given(const Call& call, const Place<false>& place, int64 t, int64 first_row) {
    UNROLL for (int n = 0; n < ELEMENTS; ++n) {
      const Element at(place, first_row, n);
      UNROLL for (int i = 0; i < Cell::ACCS; ++i) {
        if (!at.exists || Cell::PHASE_OF_ACC[i] != K) continue;
        acc[n][i] = call.bias[i * H + at.j];
        if (Cell::READS_X[i])
          acc[n][i] += read(call.projected + ((t * call.batch + at.batch_row) * PROJECTIONS + projection_of(i)) * H + at.j);
      }
      UNROLL for (int v = 0; v < Cell::VECTORS; ++v) vector[n][v] = at.exists ? call.vectors[v * H + at.j] : 0.0f;
    }
  }
};

// The arithmetic of phase K of an element, all but what goes to memory for good.
template <int K, bool TRAIN>
FN void advance(const Place<false>& place, int64 t, const Element& at, const float* given, const float* vector,
                Advanced<K, TRAIN>& found) {
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS;
  float acc[A], state[S], operand[O + 1];
  UNROLL for (int i = 0; i < A; ++i)
    if (Cell::PHASE_OF_ACC[i] == K) {
      acc[i] = given[i];
      if (reads_any(i)) acc[i] += total<Product<K, false>>(place.partial, place_of_reader(i), at.unit, at.tile_row);
    }
  UNROLL for (int s = 0; s < S; ++s) state[s] = place.mine(s, at.row, at.unit);
  UNROLL for (int k = 0; k < Cell::KEPT_INFER; ++k)
    if (KEPT_PHASE[k] < K) found.kept[k] = place.mine(S + k, at.row, at.unit);
  cell::forward<K, TRAIN>(acc, state, vector, found.kept, operand, found.next);
  E* const slots = place.set(K + 1 < Cell::PHASES ? t : t + 1) + at.row * STRIDE + at.j;
  UNROLL for (int o = 0; o < O; ++o) {
    if (Cell::OPERAND_STATE[o] < 0 && Cell::PHASE_OF_OPERAND[o] == K + 1) write(slots + o * place.slot_size(), operand[o]);
    if (Cell::OPERAND_STATE[o] >= 0 && K + 1 == Cell::PHASES)
      write(slots + o * place.slot_size(), found.next[Cell::OPERAND_STATE[o]]);
  }
  UNROLL for (int k = 0; k < Cell::KEPT_INFER; ++k)
    if (KEPT_PHASE[k] == K) place.mine(S + k, at.row, at.unit) = found.kept[k];
  UNROLL for (int s = 0; s < S; ++s)
    if (K + 1 == Cell::PHASES) place.mine(s, at.row, at.unit) = found.next[s];
}

template <int K, bool TRAIN>
FN void forward_phases(const Call& call, Place<false>& place, const AllWeights<0, false>& weights, int64 t) {
  for (int64 row = 0; row < place.rows; row += TILE) {
    const Given<K> given(call, place, t, row);
    if (row == 0) place.wait();
    if constexpr (Product<K, false>::ANY) {
      if (row) sync_block();  // partial sums of the tile before have been read
      weights.template of<K>().multiply(place.set(t) + row * STRIDE, place.slot_size(), place.partial);
      sync_block();
    }
    Advanced<K, TRAIN> found[ELEMENTS];
    UNROLL for (int n = 0; n < ELEMENTS; ++n)
      if (const Element at(place, row, n); at.exists) 
        advance(place, t, at, given.acc[n], given.vector[n], found[n]);
    if (row + TILE >= place.rows) place.arrive();
    UNROLL for (int n = 0; n < ELEMENTS; ++n)
      if (const Element at(place, row, n); at.exists) found[n].store(call, t, at.batch_row, at.j);
  }
  if constexpr (K + 1 < Cell::PHASES) forward_phases<K + 1, TRAIN>(call, place, weights, t);
}

template <bool TRAIN> FN void forward_sequence(const Call& call) {
  Place<false> place(call);
  AllWeights<0, false> weights;
  weights.load(call.weights, place.first_unit, shared_memory(), place.bounce(call));
  place.clear_padding();
  const auto each = [&](auto work) {
    for (int64 row = 0; row < place.rows; row += TILE)
      for (int n = 0; n < ELEMENTS; ++n) {
        const Element at(place, row, n);
        for (int s = 0; at.exists && s < Cell::STATES; ++s) work(at, s, (s * call.batch + at.batch_row) * H + at.j);
      }
  };
  each([&](const Element& at, int s, int64 here) {
    const float start = read(call.initial + here);
    place.mine(s, at.row, at.unit) = start;
    for (int o = 0; o < Cell::OPERANDS; ++o)
      if (Cell::OPERAND_STATE[o] == s) write(place.set(0) + o * place.slot_size() + at.row * STRIDE + at.j, start);
  });
  place.arrive();
  for (int64 t = 0; t < call.steps; ++t) forward_phases<0, TRAIN>(call, place, weights, t);
  each([&](const Element& at, int s, int64 here) { write(call.final + here, place.mine(s, at.row, at.unit)); });
}
