// The threads of one call: started once, they meet between its stages, and are gone when it ends.
#pragma once
#include <pthread.h>

#include <atomic>

#include "call.hpp"

namespace {

constexpr int MOST_THREADS = 256;
constexpr int PATIENCE = 4000;  // looks at the others before a thread sleeps, some tens of microseconds

// A stage of the work on the steps `first` … `last` − 1; all parts of a stage may run at once.
using Stage = void (*)(const Call& call, int64_t first, int64_t last, int64_t part);

inline void breathe() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Team {
 public:
  // What every member of the team does, from the call's beginning to its end.
  using Script = void (*)(Team& team, const Call& call, int64_t member);

  // Runs the script with as many members as the call has threads, or as can be started.
  static void run(Script script, const Call& call) {
    Team team(script, call);
    pthread_t started[MOST_THREADS];
    Member members[MOST_THREADS];
    int64_t count = 1;
    for (; count < call.threads && count < MOST_THREADS; ++count) {
      members[count] = {&team, count};
      if (pthread_create(&started[count], nullptr, begin, &members[count])) break;
    }
    team.size_ = count;
    team.open();
    script(team, call, 0);
    while (--count) pthread_join(started[count], nullptr);
  }

  // All parts of a stage, shared among the members; returns when all are done.
  void share(Stage stage, const Call& call, int64_t first, int64_t last, int64_t member) {
    for (int64_t part = member; part < call.threads; part += size_) stage(call, first, last, part);
    meet();
  }

 private:
  struct Member {
    Team* team;
    int64_t number;
  };

  Team(Script script, const Call& call) : script_(script), call_(call) {}
  ~Team() {
    pthread_mutex_destroy(&mutex_);
    pthread_cond_destroy(&opened_);
  }

  static void* begin(void* given) {
    const Member& member = *static_cast<const Member*>(given);
    Team& team = *member.team;
    team.await(0);
    team.script_(team, team.call_, member.number);
    return nullptr;
  }

  // Waits until every member has come. The last to come opens the gate for the others.
  void meet() {
    const int64_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 < size_) return await(round);
    arrived_.store(0, std::memory_order_relaxed);
    open();
  }

  void open() {
    if (size_ == 1) return;
    pthread_mutex_lock(&mutex_);
    round_.fetch_add(1, std::memory_order_release);
    pthread_cond_broadcast(&opened_);
    pthread_mutex_unlock(&mutex_);
  }

  // Looks for a while, then sleeps: where others want the core, a thread that only looks would keep it from them.
  void await(int64_t round) {
    for (int look = 0; look < PATIENCE; ++look, breathe())
      if (round_.load(std::memory_order_acquire) != round) return;
    pthread_mutex_lock(&mutex_);
    while (round_.load(std::memory_order_relaxed) == round) pthread_cond_wait(&opened_, &mutex_);
    pthread_mutex_unlock(&mutex_);
  }

  const Script script_;
  const Call& call_;
  int64_t size_ = 1;
  std::atomic<int64_t> arrived_{0}, round_{0};
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t opened_ = PTHREAD_COND_INITIALIZER;
};

}  // namespace
