// Which units and rows a block owns, what its shared memory holds, and how the blocks of a group wait for one another.

constexpr int FLAGS = parts(GROUP, 32) * 32;  // a group's flags have cache lines of their own

// Shared memory: the weights that registers do not hold | partial sums | what threads own | with one block a group,
// the operands of products. Of `own` every thread touches its own elements alone.
template <bool BACK> struct Shared {
  using Last = Holding<Cell::PHASES - 1, BACK>;
  static constexpr int SLOTS = BACK ? readers_before(Cell::ACCS) : Cell::OPERANDS;
  static constexpr int OWN = BACK ? Cell::STATES * (Cell::PHASES > 1 ? 2 : 1) + Cell::ADJOINTS + Cell::VECTORS
                                  : Cell::STATES + Cell::KEPT_INFER;
  static constexpr int64 PARTIAL_AT = Last::SHARED_BEFORE + Last::SHARED;
  static constexpr int64 OWN_AT = PARTIAL_AT + parts(Last::PARTIAL, 4) * 16;
  FN static int64 slots_at(int64 rows) { return OWN_AT + int64(OWN) * rows * UNITS * 4; }
};

template <bool BACK> struct Place {
  int64 first_unit, first_row, rows, count;  // `count` of the group's `rows` exist
  float *partial, *own;
  E* slots;
  unsigned* flags;
  unsigned passed;
  int member;

  FN explicit Place(const Call& call) {
    member = block_index() % GROUP;
    const int64 group = block_index() / GROUP;
    first_unit = int64(member) * UNITS, first_row = group * call.rows, rows = call.rows;
    count = call.batch - first_row < rows ? call.batch - first_row : rows;
    partial = reinterpret_cast<float*>(shared_memory() + Shared<BACK>::PARTIAL_AT);
    own = reinterpret_cast<float*>(shared_memory() + Shared<BACK>::OWN_AT);
    if constexpr (GROUP == 1) slots = reinterpret_cast<E*>(shared_memory() + Shared<BACK>::slots_at(rows));
    else slots = call.exchange + group * 2 * slot_size() * Shared<BACK>::SLOTS;
    flags = call.flags + group * FLAGS, passed = 0;
  }

  FN int64 slot_size() const { return rows * STRIDE; }

  // This thread's part of `packed`, where weights pass through on their way into registers.
  FN static Words* bounce(const Call& call) {
    return reinterpret_cast<Words*>(call.packed) + int64(block_index()) * (HELD_WORDS / 4) * THREADS + thread_index();
  }

  // The operands that step t reads, [slots][rows][STRIDE]. Two sets take turns, so that a block may write what the next
  // step reads while others still read this step's; alone, a block has finished reading before it writes.
  FN E* set(int64 t) const { return GROUP == 1 ? slots : slots + (t & 1) * slot_size() * Shared<BACK>::SLOTS; }

  FN float& mine(int kind, int64 row, int unit) const { return own[(kind * rows + row) * UNITS + unit]; }

  // Columns behind H are zeros in every product; nobody else writes them.
  FN void clear_padding() const {
    const int64 from = first_unit < H ? (H - first_unit < UNITS ? H : first_unit + UNITS) : first_unit;
    const int64 to = member + 1 == GROUP ? WIDTH : first_unit + UNITS, width = to - from;
    const int64 all = (GROUP == 1 ? 1 : 2) * Shared<BACK>::SLOTS * rows;
    for (int64 n = thread_index(); width > 0 && n < all * width; n += THREADS)
      write(slots + n / width * STRIDE + from + n % width, 0.0f);
  }

  // All blocks of the group have come as far; what they wrote before is visible. Arriving is one release, waiting one
  // acquiring poll a flag; each thread watches other blocks.
  FN void arrive() {
    sync_block();
    if constexpr (GROUP > 1)
      if (++passed, thread_index() == 0) store_release(flags + member, passed);
  }
  FN void wait() {
    if constexpr (GROUP > 1) {
      for (int n = thread_index(); n < GROUP; n += THREADS)
        while (int(load_acquire(flags + n) - passed) < 0) polled();
      sync_block();
    }
  }
  FN void meet() { arrive(), wait(); }
};

// The elements of a tile that a thread owns, always the same ones.
constexpr int ELEMENTS = parts(TILE * UNITS, THREADS);

struct Element {
  int unit, tile_row;
  int64 row, batch_row, j;
  bool exists;
  template <class P> FN Element(const P& place, int64 first_row, int n) {
    const int number = thread_index() + n * THREADS;
    unit = number % UNITS, tile_row = number / UNITS;
    row = first_row + tile_row, batch_row = place.first_row + row, j = place.first_unit + unit;
    exists = tile_row < TILE && row < place.count && j < H;
  }
};
