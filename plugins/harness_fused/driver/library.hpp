// What the library offers: packing, and both directions over a whole sequence, the work split among threads.
#pragma once
#include <sys/mman.h>

#include "chunk.hpp"
#include "team.hpp"

namespace {

template <bool TRAIN> void forward_part(const Call& call, int64_t first, int64_t last, int64_t part) {
  const Part rows(call.batch, part, call.threads);
  for (int64_t t = first; t < last; ++t) forward_step<TRAIN>(call, t, {rows.first, rows.last, part});
}

void backward_part(const Call& call, int64_t first, int64_t last, int64_t part) {
  const Part rows(call.batch, part, call.threads);
  backward_range(call, first, last, {rows.first, rows.last, part});
}

void gradient_part(const Call& call, int64_t first, int64_t last, int64_t part) {
  add_gradients(call, first, last, part);
  if (call.d_x) gradient_of_x(call, first, last, part);
}

// The call as a chunk that begins at step `first` sees it: its arrays indexed by t.
inline Call shifted(Call call, int64_t first) {
  const int64_t BH = call.batch * call.hidden;
  call.projected -= first * PROJECTIONS * BH;
  call.d_acc -= first * Cell::ACCS * BH;
  call.operands -= first * BH;
  return call;
}

// ---- what each thread of a call does ----

template <bool TRAIN> void forward_member(const Team& team, const Call& call) {
  if (!call.hoisted) return team.share(forward_part<TRAIN>, call, 0, call.steps);
  for (int64_t first = 0; first < call.steps; first += call.chunk) {
    const int64_t last = first + call.chunk < call.steps ? first + call.chunk : call.steps;
    const Call here = shifted(call, first);
    team.share(project, here, first, last);
    team.share(forward_part<TRAIN>, here, first, last);
  }
}

void backward_member(const Team& team, const Call& call) {
  for (int64_t first = (call.steps - 1) / call.chunk * call.chunk; first >= 0; first -= call.chunk) {
    const int64_t last = first + call.chunk < call.steps ? first + call.chunk : call.steps;
    const Call here = shifted(call, first);
    team.share(backward_part, here, first, last);
    team.share(gradient_part, here, first, last);
  }
}

}  // namespace

// Large pages for a large array that is about to be written for the first time: a tenth of the faults' time.
inline void in_large_pages(void* array, int64_t bytes) {
#ifdef MADV_HUGEPAGE
  constexpr uintptr_t LARGE = 1 << 21;
  const uintptr_t from = ((uintptr_t)array + LARGE - 1) / LARGE * LARGE, to = ((uintptr_t)array + bytes) / LARGE * LARGE;
  if (from < to) madvise((void*)from, to - from, MADV_HUGEPAGE);
#endif
}

// Copies [B, H] numbers unless they are in their place.
inline void copy_rows(const Call& call, R* to, const R* from) {
  if (to != from) memcpy(to, from, call.batch * call.hidden * sizeof(R));
}

extern "C" void forward(const Call* call, int keep) {
  const int64_t rows = call->batch * call->hidden * int64_t(sizeof(R));
  if (keep) in_large_pages(call->kept, call->steps * rows * Cell::KEPT_TRAIN);
  for (int s = 0; s < Cell::STATES; ++s) in_large_pages(call->states[s], (s ? call->slots : call->steps + 1) * rows);
  for (int s = 0; s < Cell::STATES; ++s) copy_rows(*call, call->state(s, 0), call->start[s]);
  Team::run(keep ? forward_member<true> : forward_member<false>, *call);
  for (int s = 0; call->final && s < Cell::STATES; ++s) copy_rows(*call, call->final[s], call->state(s, call->steps));
}

extern "C" void backward(const Call* call) { Team::run(backward_member, *call); }

// After the last `backward` of a sequence.
extern "C" void finish(const Call* call) { spread(*call); }

// Numbers that `packed` must hold.
extern "C" int64_t packed_size(const Call* call, int back) { return pack_end(*call, back) - call->packed; }

extern "C" void pack(const Call* call, int back) {
  gather(*call);
  back ? pack_all_backward(*call) : pack_all_forward(*call);
}
