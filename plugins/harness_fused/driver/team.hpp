// The threads of one call: they share each of its stages and meet before the next.
//
// They are torch's own: its OpenMP runtime is loaded before any kernel, and its threads, which look for work a while
// before they sleep, would keep threads of ours from their cores. Without OpenMP one thread does all parts.
#pragma once
#ifdef _OPENMP
#include <omp.h>
#endif

#include "call.hpp"

namespace {

// A stage of the work on the steps `first` … `last` − 1; all parts of a stage may run at once.
using Stage = void (*)(const Call& call, int64_t first, int64_t last, int64_t part);

class Team {
 public:
  // What every member of the team does, from the call's beginning to its end.
  using Script = void (*)(const Team& team, const Call& call);

  // Runs the script with as many members as the call has threads, or as there are.
  static void run(Script script, const Call& call) {
#ifdef _OPENMP
#pragma omp parallel num_threads(int(call.threads)) if (call.threads > 1)
    script(Team(omp_get_thread_num(), omp_get_num_threads()), call);
#else
    script(Team(0, 1), call);
#endif
  }

  // All parts of a stage, shared among the members; returns when all are done.
  void share(Stage stage, const Call& call, int64_t first, int64_t last) const {
    for (int64_t part = member_; part < call.threads; part += size_) stage(call, first, last, part);
#ifdef _OPENMP
#pragma omp barrier
#endif
  }

 private:
  Team(int64_t member, int64_t size) : member_(member), size_(size) {}
  const int64_t member_, size_;
};

}  // namespace
