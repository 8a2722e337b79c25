// Backward over a whole sequence: gradients of accumulators times weights, then the pointwise gradients they lead to.

// What the products of a phase gave to an element's operands; zeros where there were none.
template <int F> FN void take_products(float* product, const Place<true>& place, const Element& at, bool any) {
  UNROLL for (int o = 0; o < Cell::OPERANDS; ++o) {
    product[o] = 0.0f;
    if (Cell::PHASE_OF_OPERAND[o] == F && any)
      product[o] = total<Product<F, true>>(place.partial, place_of_operand(o), at.unit, at.tile_row);
  }
}

template <int F>
FN void multiply_back(const Place<true>& place, const AllWeights<0, true>& weights, int64 t, int64 row) {
  if constexpr (Product<F, true>::ANY) {
    if (row) sync_block();  // partial sums of the tile before have been read
    weights.template of<F>().multiply(place.set(t) + row * STRIDE, place.slot_size(), place.partial);
    sync_block();
  }
}

template <int K>
FN void backward_phases(const Call& call, Place<true>& place, const AllWeights<0, true>& weights, int64 t) {
  constexpr bool LAST = K + 1 == Cell::PHASES;
  const bool any = !LAST || t + 1 < call.steps;
  for (int64 row = 0; row < place.rows; row += TILE) {
    Stored given[ELEMENTS];
    UNROLL for (int n = 0; n < ELEMENTS; ++n)
      if (const Element at(place, row, n); at.exists) given[n].load(call, t, at.batch_row, at.j);
    if (row == 0) place.wait();
    if (any) multiply_back<FEEDING<K>>(place, weights, LAST ? t + 1 : t, row);
    Slopes<K> found[ELEMENTS];
    UNROLL for (int n = 0; n < ELEMENTS; ++n) {
      const Element at(place, row, n);
      if (!at.exists) continue;
      float product[Cell::OPERANDS + 1];
      take_products<FEEDING<K>>(product, place, at, any);
      differentiate(given[n], product, [&](int kind) -> float& { return place.mine(kind, at.row, at.unit); }, found[n]);
      E* const slots = place.set(t) + at.row * STRIDE + at.j;
      UNROLL for (int i = 0; i < Cell::ACCS; ++i)
        if (Cell::PHASE_OF_ACC[i] == K && reads_any(i))
          write(slots + readers_before(i) * place.slot_size(), found[n].d_acc[i]);
    }
    if (row + TILE >= place.rows) place.arrive();
    UNROLL for (int n = 0; n < ELEMENTS; ++n)
      if (const Element at(place, row, n); at.exists) found[n].store(call, t, at.batch_row, at.j);
  }
  if constexpr (K > 0) backward_phases<K - 1>(call, place, weights, t);
}

FN void backward_sequence(const Call& call) {
  Place<true> place(call);
  AllWeights<0, true> weights;
  weights.load(call.weights, place.first_unit, shared_memory(), place.bounce(call));
  place.clear_padding();
  const auto each = [&](int64 row, auto work) {
    for (int n = 0; n < ELEMENTS; ++n)
      if (const Element at(place, row, n); at.exists) work(at);
  };
  for (int64 row = 0; row < place.rows; row += TILE)
    each(row, [&](const Element& at) {
      for (int s = 0; s < Cell::STATES; ++s)
        place.mine(s, at.row, at.unit) =
            call.d_final ? read(call.d_final + (s * call.batch + at.batch_row) * H + at.j) : 0.0f;
      for (int v = 0; v < Cell::VECTORS; ++v) place.mine(D_VECTOR + v, at.row, at.unit) = 0.0f;
    });
  place.arrive();
  for (int64 t = call.steps - 1; t >= 0; --t) backward_phases<Cell::PHASES - 1>(call, place, weights, t);
  place.wait();
  for (int64 row = 0; row < place.rows; row += TILE) {
    multiply_back<0>(place, weights, 0, row);
    each(row, [&](const Element& at) {
      float product[Cell::OPERANDS + 1];
      take_products<0>(product, place, at, true);
      for (int s = 0; s < Cell::STATES; ++s) {
        float sum = place.mine(s, at.row, at.unit);
        UNROLL for (int o = 0; o < Cell::OPERANDS; ++o)
          if (Cell::OPERAND_STATE[o] == s && Cell::PHASE_OF_OPERAND[o] == 0) sum += product[o];
        write(call.d_initial + (s * call.batch + at.batch_row) * H + at.j, sum);
      }
      for (int v = 0; v < Cell::VECTORS; ++v)
        call.d_vector[(at.batch_row * Cell::VECTORS + v) * H + at.j] = place.mine(D_VECTOR + v, at.row, at.unit);
    });
  }
}
