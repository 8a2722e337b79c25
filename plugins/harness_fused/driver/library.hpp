// What the library offers: packing, and both directions over a range of steps, the batch split among threads.
#pragma once
#include <pthread.h>

#include "backward.hpp"

namespace {

constexpr int MOST_THREADS = 256;

struct Work {
  const Call* call;
  int64_t first, last;
  int mode;  // 0: forward, 1: forward and keep, 2: backward
  Rows rows;
};

inline void* work(void* given) {
  const Work& job = *static_cast<const Work*>(given);
  if (job.mode == 2) backward_range(*job.call, job.first, job.last, job.rows);
  else
    for (int64_t t = job.first; t < job.last; ++t)
      job.mode ? forward_step<true>(*job.call, t, job.rows) : forward_step<false>(*job.call, t, job.rows);
  return nullptr;
}

}  // namespace

// Steps first … last − 1; every thread has its rows of the batch and waits for no other. A thread that cannot be
// started has its rows done here.
extern "C" void run(const Call* call, int64_t first, int64_t last, int mode, int64_t threads) {
  Work jobs[MOST_THREADS];
  pthread_t started[MOST_THREADS];
  bool alive[MOST_THREADS];
  threads = threads < MOST_THREADS ? threads : MOST_THREADS;
  for (int64_t n = 0; n < threads; ++n)
    jobs[n] = {call, first, last, mode, {n * call->batch / threads, (n + 1) * call->batch / threads, n}};
  for (int64_t n = 1; n < threads; ++n) alive[n] = pthread_create(&started[n], nullptr, work, &jobs[n]) == 0;
  work(&jobs[0]);
  for (int64_t n = 1; n < threads; ++n) alive[n] ? (void)pthread_join(started[n], nullptr) : (void)work(&jobs[n]);
}

// Numbers that `packed` must hold.
extern "C" int64_t packed_size(const Call* call, int back) {
  const int64_t before = call->weights() - call->packed;
  return before + (back && call->direct ? 0 : phase_start<Cell::PHASES>(*call, back));
}

extern "C" void pack(const Call* call, int back) {
  gather(*call);
  if (!back) pack_forward<0>(*call, call->weights());
  else if (!call->direct) pack_backward<0>(*call, call->weights());
}
