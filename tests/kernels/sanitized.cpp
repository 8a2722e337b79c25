// Both directions over odd shapes, every array exactly as long as it must be: for AddressSanitizer. The text of a
// library stands before this one. Weights are one matrix [H, H] and one [H, I] for all accumulators.
#include <cmath>
#include <cstdlib>
#include <vector>

using Array = std::vector<R>;
static Array filled(int64_t count, R scale = 0.1f) {
  Array a(count);
  for (int64_t n = 0; n < count; ++n) a[n] = scale * R((n * 37 % 101) - 50) / 50;
  a.shrink_to_fit();
  return a;
}

static void sequence(int64_t T, int64_t B, int64_t I, int64_t H, int64_t threads) {
  constexpr int S = Cell::STATES, A = Cell::ACCS, O = Cell::OPERANDS;
  Array recurrent = filled(H * H), input = filled(H * I), bias = filled(H), x = filled(T * B * I, 1), d_y = filled(T * B * H, 1);
  Array g_recurrent(H * H), g_input(H * I), g_bias(H), d_x(T * B * I), d_state = filled(S * B * H, 1);
  const R* parameters[] = {recurrent.data(), input.data(), bias.data()};
  std::vector<Term> terms;
  std::vector<Gradient> gradients;
  for (int i = 0; i < A; ++i) {
    for (int o = 0; o < O; ++o)
      if (Cell::READS[i][o]) terms.push_back({i, o, 0, 0, H, 1}), gradients.push_back({o, i, 1, g_recurrent.data(), H, 1});
    if (Cell::READS_X[i]) terms.push_back({i, X, 1, 0, I, 1}), gradients.push_back({X, i, 1, g_input.data(), I, 1});
    terms.push_back({i, BIAS, 2, 0, 1, 1}), gradients.push_back({BIAS, i, 1, g_bias.data(), 1, 1});
  }
  for (int n = 0; n < Cell::VECTORS; ++n)
    terms.push_back({n, VECTOR, 2, 0, 1, 1}), gradients.push_back({VECTOR, n, 1, g_bias.data(), 1, 1});
  std::vector<Array> history;
  std::vector<R*> states;
  for (int s = 0; s < S; ++s) history.push_back(filled((T + 1) * B * H)), states.push_back(history[s].data());
  std::vector<Array> ends(2 * S, filled(B * H));
  std::vector<R*> start, final;
  for (int s = 0; s < S; ++s) start.push_back(ends[s].data()), final.push_back(ends[S + s].data());
  Call call{};
  call.steps = T, call.batch = B, call.inputs = I, call.hidden = H, call.chunk = T > 2 ? 2 : T, call.slots = T + 1;
  call.kept_step = 1, call.direct = B == 1, call.hoisted = I > 8, call.threads = threads;
  Array kept(T * B * Cell::KEPT_TRAIN * H), scratch(O * B * H), projected(call.chunk * B * A * H), d_acc(call.chunk * B * A * H);
  Array d_next((S + Cell::ADJOINTS) * B * H), operands(O * call.chunk * B * H), d_vector(B * Cell::VECTORS * H);
  Array d_bias(threads * A * H), d_across(I * A * H);
  call.term = terms.data(), call.terms = terms.size(), call.gradient = gradients.data(), call.gradients = gradients.size();
  call.parameters = parameters, call.x = x.data(), call.states = states.data(), call.start = start.data(), call.final = final.data(),
   call.kept = kept.data();
  call.scratch = scratch.data(), call.projected = projected.data(), call.d_y = d_y.data(), call.d_x = d_x.data();
  call.d_state = d_state.data(), call.d_next = d_next.data(), call.d_acc = d_acc.data(), call.operands = operands.data();
  call.d_vector = d_vector.data(), call.d_bias = d_bias.data(), call.d_across = d_across.data();
  // Without a backward: two places for a state but the output, one for what passes from phase to phase.
  Array passing(B * Cell::KEPT_INFER * H);
  std::vector<Array> pairs(S, filled(2 * B * H));
  std::vector<R*> few(states);
  for (int s = 1; s < S; ++s) few[s] = pairs[s].data();
  for (int pass = 0; pass < 3; ++pass) {
    const bool back = pass == 2;
    call.states = pass ? states.data() : few.data(), call.kept = pass ? kept.data() : passing.data();
    call.kept_step = pass > 0, call.slots = pass ? T + 1 : 2, call.direct = B == 1 && (back || H % 2);
    const int64_t bytes = (packed_size(&call, back) * sizeof(R) + 63) / 64 * 64;
    call.packed = static_cast<R*>(aligned_alloc(64, bytes));
    pack(&call, back);
    back ? backward(&call) : forward(&call, pass);
    free(call.packed);
  }
  finish(&call);
  for (R number : g_recurrent)
    if (!std::isfinite(number)) exit(3);
}

int main() {
  const int64_t H[] = {1, 3, 7, 16, 17, 33, 64, 100}, B[] = {1, 3, 8, 17};
  for (int64_t h : H)
    for (int64_t b : B) sequence(1 + (h + b) % 4, b, h % 3 ? 1 + h % 7 : 9 + h % 5, h, b > 3 ? 2 : 1);
}
