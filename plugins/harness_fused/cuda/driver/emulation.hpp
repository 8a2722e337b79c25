// A GPU played by one thread of a CPU: what device.cuh offers, for the same drivers, compiled by g++ or clang++.
//
// Threads are fibres. A fibre runs until it waits at a barrier, polls a flag or multiplies fragments; who goes on is drawn
// at random from a seed, blocks favoured by turns, so that a block may run far ahead or stay behind as far as barriers let
// it. Fresh shared memory is NaN, and a write behind its end is found. What it does not carry: weak memory order (a
// release that is only a write), warps whose lanes run in step, speed, limits of registers, the ends of arrays in global
// memory (tests/guarded.py does), instructions of a GPU (functions are the C library's, fragments are laid out as
// device.cuh says they are), and all that starts a kernel there (tests/kernels/driver.c plays the driver; nobody plays graphs).
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#define FN inline
#define KERNEL static
#define UNROLL
#define ROLLED
#define EMULATED

// Closed behind the kernels: constants of equally named structs are otherwise shared among all libraries.
namespace {

using int64 = long long;

namespace emulation {

constexpr size_t STACK = 256 << 10, GUARD = 256;
constexpr int WARP = 32, TURNS = 512;
enum Status { DONE, STUCK, OUT_OF_BOUNDS };

struct Warp {
  int arrived = 0;
  unsigned a[WARP][4], b[WARP][2];
};

struct Block {
  int index, arrived = 0;
  unsigned favour = 0;
  std::vector<Warp> warps;
  std::vector<unsigned char> memory;
};

struct Fibre {
  ucontext_t context;
  Block* block;
  int thread;
  bool ready = true;
  std::unique_ptr<unsigned char[]> stack;
};

struct Machine {
  ucontext_t scheduler;
  std::vector<Block> blocks;
  std::vector<Fibre> fibres;
  std::vector<Fibre*> ready;
  Fibre* current = nullptr;
  int64 idle = 0;  // polls since anybody else did anything
  int grid = 0, threads = 0;
  std::mt19937 random;
  void (*body)(const int64*) = nullptr;
  const int64* arguments = nullptr;
};

inline thread_local Machine* machine;

inline Fibre& me() { return *machine->current; }

inline void leave() { swapcontext(&me().context, &machine->scheduler); }

inline void wake(Fibre& fibre) {
  fibre.ready = true;
  machine->ready.push_back(&fibre);
}

// Waits until `count` fibres, those from `first` on, have arrived.
inline void meet(int& arrived, int count, Fibre* first) {
  machine->idle = 0;
  me().ready = false;
  if (++arrived == count) {
    arrived = 0;
    for (int n = 0; n < count; ++n) wake(first[n]);
  }
  leave();
}

inline void run_fibre() {
  machine->body(machine->arguments);
  machine->idle = 0;
  me().ready = false;
  leave();
}

// The fibre to go on with: of a few drawn at random the one whose block is in favour.
inline Fibre* draw() {
  Machine& m = *machine;
  size_t best = 0;
  for (int n = 0; n < 3; ++n) {
    const size_t other = m.random() % m.ready.size();
    if (n == 0 || m.ready[other]->block->favour > m.ready[best]->block->favour) best = other;
  }
  std::swap(m.ready[best], m.ready.back());
  Fibre* chosen = m.ready.back();
  m.ready.pop_back();
  return chosen;
}

inline Status run() {
  Machine& m = *machine;
  size_t alive = m.fibres.size();
  for (int64 turn = 0; !m.ready.empty(); ++turn) {
    if (turn % TURNS == 0)
      for (Block& block : m.blocks) block.favour = m.random();
    if (m.idle > int64(1000) * int64(m.fibres.size())) return STUCK;
    m.current = draw();
    swapcontext(&m.scheduler, &m.current->context);
  }
  for (Fibre& fibre : m.fibres) alive -= fibre.block->arrived == 0;
  return alive ? STUCK : DONE;
}

inline void prepare(int grid, int threads, int64 shared_bytes) {
  Machine& m = *machine;
  m.grid = grid, m.threads = threads;
  m.blocks.resize(grid), m.fibres.resize(size_t(grid) * threads);
  for (int b = 0; b < grid; ++b) {
    m.blocks[b].index = b;
    m.blocks[b].warps.resize((threads + WARP - 1) / WARP);
    m.blocks[b].memory.assign(shared_bytes + 2 * GUARD, 0xff);
    for (int t = 0; t < threads; ++t) {
      Fibre& fibre = m.fibres[size_t(b) * threads + t];
      fibre.block = &m.blocks[b], fibre.thread = t;
      fibre.stack.reset(new unsigned char[STACK]);
      getcontext(&fibre.context);
      fibre.context.uc_stack.ss_sp = fibre.stack.get(), fibre.context.uc_stack.ss_size = STACK;
      fibre.context.uc_link = nullptr;
      makecontext(&fibre.context, run_fibre, 0);
      m.ready.push_back(&fibre);
    }
  }
}

inline unsigned char* memory_of(Block& block) {
  return reinterpret_cast<unsigned char*>((uintptr_t(block.memory.data()) + 127) / 128 * 128);
}

inline bool inside(Block& block, int64 shared_bytes) {
  const unsigned char* end = block.memory.data() + block.memory.size();
  for (const unsigned char* byte = memory_of(block) + shared_bytes; byte < end; ++byte)
    if (*byte != 0xff) return false;
  return true;
}

// Eight bytes that are whatever a kernel's parameter is.
struct Argument {
  int64 value;
  operator int64() const { return value; }
  template <class T> operator T*() const { return reinterpret_cast<T*>(value); }
};

template <class... Parameters, size_t... n>
void call(void (*kernel)(Parameters...), const int64* arguments, std::index_sequence<n...>) {
  kernel(Argument{arguments[n]}...);
}

inline int launch(void (*body)(const int64*), const int64* arguments, int64 grid, int64 threads, int64 shared_bytes, int64 seed) {
  Machine played;
  machine = &played;
  played.random.seed(unsigned(seed)), played.body = body, played.arguments = arguments;
  prepare(int(grid), int(threads), shared_bytes);
  Status status = run();
  for (Block& block : played.blocks)
    if (status == DONE && !inside(block, shared_bytes)) status = OUT_OF_BOUNDS;
  machine = nullptr;
  return status;
}

template <auto KERNEL_FUNCTION, class... Parameters> void body_of(const int64* arguments, void (*)(Parameters...)) {
  call(KERNEL_FUNCTION, arguments, std::index_sequence_for<Parameters...>{});
}

}  // namespace emulation

// How Python starts a kernel.
#define EMULATE(NAME)                                                                                                 \
  extern "C" int launch_##NAME(const int64* arguments, int64 grid, int64 threads, int64 shared_bytes, int64 seed) {     \
    return emulation::launch([](const int64* given) { emulation::body_of<NAME>(given, NAME); }, arguments, grid,        \
                             threads, shared_bytes, seed);                                                            \
  }

// ---- what device.cuh offers ----

FN int thread_index() { return emulation::me().thread; }
FN int block_index() { return emulation::me().block->index; }
FN int block_count() { return emulation::machine->grid; }

FN void sync_block() {
  emulation::Block& block = *emulation::me().block;
  emulation::meet(block.arrived, emulation::machine->threads, &emulation::me() - emulation::me().thread);
}

FN unsigned char* shared_memory() { return emulation::memory_of(*emulation::me().block); }

FN void store_release(unsigned* flag, unsigned value) { *flag = value, emulation::machine->idle = 0; }
FN unsigned load_acquire(const unsigned* flag) { return *flag; }
FN void polled() {
  ++emulation::machine->idle;
  emulation::wake(emulation::me());
  emulation::leave();
}

FN unsigned bits_of(float number) {
  unsigned bits;
  memcpy(&bits, &number, sizeof bits);
  return bits;
}
FN float float_of(unsigned bits) {
  float number;
  memcpy(&number, &bits, sizeof number);
  return number;
}

// To the nearest number of binary16, ties to even: scaled so that the sum with a large number rounds at the last place.
FN unsigned short half_of(float number) {
  const unsigned sign = bits_of(number) >> 16 & 0x8000u;
  float size = fabsf(number);
  if (size != size) return 0x7fff;
  if (size == 0.0f) return (unsigned short)sign;
  if (size >= 65520.0f) return (unsigned short)(sign | 0x7c00u);
  int exponent;
  frexpf(size, &exponent);
  const int last = exponent - 11 < -24 ? -24 : exponent - 11;  // the place of the last bit kept
  const unsigned kept = unsigned(nearbyintf(ldexpf(size, -last)));
  return (unsigned short)(sign | (kept + (unsigned(last + 24) << 10)));
}

FN float from_half(unsigned short bits) {
  const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
  float size = exponent ? ldexpf(float(1024 + mantissa), exponent - 25) : ldexpf(float(mantissa), -24);
  if (exponent == 31) size = mantissa ? NAN : INFINITY;
  return bits & 0x8000 ? -size : size;
}

struct alignas(16) Words {
  unsigned word[4];
};

FN Words load_words(const void* from) {
  if (uintptr_t(from) % sizeof(Words)) abort();  // as a GPU would
  Words words;
  memcpy(&words, from, sizeof words);
  return words;
}

// Every lane lays its fragments open, then takes its own four sums; nobody goes on before all have read.
template <bool BFLOAT> FN void multiply_fragments(float* sum, const unsigned* a, const unsigned* b) {
  emulation::Fibre& me = emulation::me();
  emulation::Warp& warp = me.block->warps[me.thread / emulation::WARP];
  const int lane = me.thread % emulation::WARP;
  emulation::Fibre* first = &me - lane;
  memcpy(warp.a[lane], a, sizeof warp.a[lane]), memcpy(warp.b[lane], b, sizeof warp.b[lane]);
  emulation::meet(warp.arrived, emulation::WARP, first);
  const auto number = [](unsigned word, int which) {
    const unsigned short bits = (unsigned short)(word >> 16 * which);
    return BFLOAT ? float_of(unsigned(bits) << 16) : from_half(bits);
  };
  for (int n = 0; n < 4; ++n) {
    const int row = lane / 4 + n / 2 * 8, column = lane % 4 * 2 + n % 2;
    for (int k = 0; k < 16; ++k) {
      const int pair = k % 8 / 2;
      const unsigned left = warp.a[row % 8 * 4 + pair][row / 8 + k / 8 * 2], right = warp.b[column * 4 + pair][k / 8];
      sum[n] += number(left, k % 2) * number(right, k % 2);
    }
  }
  emulation::meet(warp.arrived, emulation::WARP, first);
}
