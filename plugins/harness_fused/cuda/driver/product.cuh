// A block's share of a phase's products: weights that stay where they are, an operand that changes every step.
//
// Forward: rows are UNITS units of each accumulator, depth runs over the operands' widths. Backward: rows are UNITS
// units of each operand, depth over the accumulators' widths. Depth is cut into chunks of 32; warp (wm, wk) multiplies
// row tiles wm, wm + WM … with chunks wk, wk + WK …, and partial sums meet in shared memory. A lane's weights of a tile
// and a chunk are FRAGMENT words, the first chunks of them in registers, the rest in shared memory.

constexpr int CHUNK = 32;
constexpr int WIDTH = parts(GROUP * UNITS, CHUNK) * CHUNK;  // H with padding: the columns behind H are zeros
constexpr int STRIDE = WIDTH | 32;                          // 16-byte reads of 8 rows touch all banks evenly
constexpr int PITCH = TILE + 1;
constexpr bool MMA = TENSOR<E>;

template <int K, bool BACK> struct Product {
  static constexpr int READERS = readers_in(K), OPERANDS = operands_in(K);
  static constexpr int OUTPUTS = BACK ? OPERANDS : READERS, DEEP = BACK ? READERS : OPERANDS;
  static constexpr int FIRST_SLOT = BACK ? readers_before(reader(K, 0)) : operand_of(K, 0);
  static constexpr bool ANY = READERS > 0;
  static constexpr int ROWS = OUTPUTS * UNITS, CHUNKS = DEEP * WIDTH / CHUNK;
  static constexpr int ROW_TILE = MMA ? 16 : least(32, power_above(ROWS));
  static constexpr int TILES = ANY ? parts(ROWS, ROW_TILE) : 0;
  // Alone, a block's warps take rows first: fewer partial sums. In a group chunks first: no operand is read twice.
  static constexpr int WK_FIRST = least(WARPS, power_below(CHUNKS)), WM_FIRST = least(WARPS, power_below(TILES));
  static constexpr int WM = GROUP == 1 ? WM_FIRST : WARPS / WK_FIRST;
  static constexpr int WK = WARPS / WM;
  static constexpr int LOCAL = ANY ? parts(TILES, WM) : 0, DEPTH = parts(CHUNKS, WK);
  static constexpr int SUB = MMA ? 1 : 32 / ROW_TILE;  // lanes that share a row
  static constexpr int PARTS = WK * SUB, HEIGHT = TILES * ROW_TILE;
  static constexpr int PARTIAL = PARTS * HEIGHT * PITCH;  // floats
  static constexpr int FRAGMENT = MMA ? 8 : 32 / SUB, SUMS = MMA ? TILE / 2 : TILE;
};

// How many of its chunks a warp holds in registers, given what earlier phases took of the budget.
template <int K, bool BACK> struct Holding {
  using P = Product<K, BACK>;
  static constexpr int LEFT = Holding<K - 1, BACK>::LEFT_AFTER, EACH = most(1, P::LOCAL * P::FRAGMENT);
  static constexpr int HELD = least(P::DEPTH, LEFT / EACH), LEFT_AFTER = LEFT - HELD * EACH;
  static constexpr int SHARED = P::ANY ? (P::DEPTH - HELD) * P::LOCAL * P::FRAGMENT * 4 * THREADS : 0;  // bytes
  static constexpr int SHARED_BEFORE = Holding<K - 1, BACK>::SHARED_BEFORE + Holding<K - 1, BACK>::SHARED;
  static constexpr int PARTIAL = most(P::PARTIAL, Holding<K - 1, BACK>::PARTIAL);
};
template <bool BACK> struct Holding<-1, BACK> {
  static constexpr int LEFT_AFTER = HELD_WORDS, SHARED = 0, SHARED_BEFORE = 0, PARTIAL = 0;
};

// A chunk of a row of a product's weights: `count` numbers, `step` apart, zeros behind them.
struct Strip {
  const E* first;
  int64 step, count;
  FN E at(int depth) const {
    E number;
    if (depth < count) number = first[depth * step];
    else write(&number, 0.0f);
    return number;
  }
};

// Empty behind H and where an accumulator does not read an operand.
template <class P, int K, bool BACK> FN Strip strip_of(const E* weights, int64 first_unit, int row, int chunk) {
  const int64 unit = first_unit + row % UNITS, other = chunk * CHUNK % WIDTH;
  const int output = row / UNITS, input = chunk * CHUNK / WIDTH;
  if (row >= P::ROWS || chunk >= P::CHUNKS || unit >= H || other >= H) return {weights, 0, 0};
  const int acc = reader(K, BACK ? input : output), operand = operand_of(K, BACK ? output : input);
  if (!Cell::READS[acc][operand]) return {weights, 0, 0};
  const E* matrix = weights + pair_of(acc, operand) * H * H;
  const int64 count = H - other < CHUNK ? H - other : CHUNK;
  return BACK ? Strip{matrix + other * H + unit, H, count} : Strip{matrix + unit * H + other, 1, count};
}

template <class A> FN unsigned word_of(A a) { return bits_of(a); }
template <class A> FN unsigned word_of(A low, A high) { return low.bits | unsigned(high.bits) << 16; }

// A lane's words of a row tile and a chunk. Within a chunk, lane 4 g + p takes k = 8 p … 8 p + 7 in place of the
// fragments' own order, the operand likewise: sums do not mind, and it is one read of 16 bytes.
template <class P, int K, bool BACK>
FN void take_fragment(unsigned* words, const E* weights, int64 first_unit, int tile, int chunk, int lane) {
  const int row = tile * P::ROW_TILE + (MMA ? lane / 4 : lane % P::ROW_TILE);
  const Strip strip = strip_of<P, K, BACK>(weights, first_unit, row, chunk);
  if constexpr (MMA) {
    const Strip below = strip_of<P, K, BACK>(weights, first_unit, row + 8, chunk);
    UNROLL for (int n = 0; n < P::FRAGMENT; ++n) {
      const int d = lane % 4 * 8 + n / 4 * 4 + n / 2 % 2 * 2;
      words[n] = n % 2 ? word_of(below.at(d), below.at(d + 1)) : word_of(strip.at(d), strip.at(d + 1));
    }
  } else {
    UNROLL for (int n = 0; n < P::FRAGMENT; ++n)
      words[n] = word_of(strip.at((n / 4 * P::SUB + lane / P::ROW_TILE) * 4 + n % 4));
  }
}

// sum += weights of a row tile · a chunk of TILE rows of the operand.
template <class P> FN void multiply_chunk(float* sum, const unsigned* words, const E* operand, int lane) {
  if constexpr (MMA) {
    UNROLL for (int n = 0; n < TILE / 8; ++n) {
      const Words k = load_words(operand + (n * 8 + lane / 4) * STRIDE + lane % 4 * 8);
      multiply_fragments<IS_BFLOAT<E>>(sum + n * 4, words, k.word);
      multiply_fragments<IS_BFLOAT<E>>(sum + n * 4, words + 4, k.word + 2);
    }
  } else {
    UNROLL for (int q = 0; q < 8 / P::SUB; ++q)
      UNROLL for (int n = 0; n < TILE; ++n) {
        const Words k = load_words(operand + n * STRIDE + (q * P::SUB + lane / P::ROW_TILE) * 4);
        UNROLL for (int part = 0; part < 4; ++part) sum[n] += float_of(words[q * 4 + part]) * float_of(k.word[part]);
      }
  }
}

template <class P> FN void put_partial(float* partial, const float* sum, int tile, int wk, int lane) {
  float* to = partial + (wk * P::SUB * P::HEIGHT + tile * P::ROW_TILE) * PITCH;
  UNROLL for (int n = 0; n < P::SUMS; ++n) {
    if constexpr (MMA) to[(lane / 4 + n / 2 % 2 * 8) * PITCH + n / 4 * 8 + lane % 4 * 2 + n % 2] = sum[n];
    else to[(lane / P::ROW_TILE * P::HEIGHT + lane % P::ROW_TILE) * PITCH + n] = sum[n];
  }
}

// The weights of one phase.
template <int K, bool BACK> struct Weights {
  using P = Product<K, BACK>;
  using Hold = Holding<K, BACK>;
  unsigned held[most(1, Hold::HELD)][most(1, P::LOCAL)][P::FRAGMENT];
  Words* shared;

  // `bounce`: the thread's own place in global memory. Loops over it stay loops, where one over registers must be
  // written out: compilers are quick, and what is in flight at once is the same.
  FN void load(const E* weights, int64 first_unit, unsigned char* memory, Words* bounce) {
    if constexpr (P::ANY) {
      constexpr int LOCAL = P::LOCAL, VECTORS = P::FRAGMENT / 4;
      shared = reinterpret_cast<Words*>(memory + Hold::SHARED_BEFORE) + thread_index();
      const int lane = thread_index() % 32, wm = thread_index() / 32 % P::WM, wk = thread_index() / 32 / P::WM;
      ROLLED for (int n = 0; n < P::DEPTH * LOCAL; ++n) {
        const int c = n / LOCAL, m = n % LOCAL;
        unsigned words[P::FRAGMENT];
        take_fragment<P, K, BACK>(words, weights, first_unit, wm + m * P::WM, wk + c * P::WK, lane);
        Words* to = c < Hold::HELD ? bounce + n * VECTORS * THREADS : place(c, m, 0);
        UNROLL for (int v = 0; v < VECTORS; ++v)
          to[v * THREADS] = {{words[v * 4], words[v * 4 + 1], words[v * 4 + 2], words[v * 4 + 3]}};
      }
      UNROLL for (int n = 0; n < Hold::HELD * LOCAL * VECTORS; ++n) {
        const Words four = bounce[n * THREADS];
        UNROLL for (int part = 0; part < 4; ++part)
          held[n / VECTORS / LOCAL][n / VECTORS % LOCAL][n % VECTORS * 4 + part] = four.word[part];
      }
    }
  }

  FN Words* place(int c, int m, int n) const {
    return shared + (((c - Hold::HELD) * P::LOCAL + m) * (P::FRAGMENT / 4) + n) * THREADS;
  }

  // Partial sums of TILE rows of the batch. operand: [slot][slot_size], a slot's first of these rows in front.
  FN void multiply(const E* operand, int64 slot_size, float* partial) const {
    const int lane = thread_index() % 32, wm = thread_index() / 32 % P::WM, wk = thread_index() / 32 / P::WM;
    float sum[most(1, P::LOCAL)][P::SUMS];
    UNROLL for (int m = 0; m < P::LOCAL; ++m)
      UNROLL for (int n = 0; n < P::SUMS; ++n) sum[m][n] = 0.0f;
    UNROLL for (int c = 0; c < Hold::HELD; ++c) {
      const E* here = chunk_at(operand, slot_size, wk + c * P::WK);
      UNROLL for (int m = 0; m < P::LOCAL; ++m) multiply_chunk<P>(sum[m], held[c][m], here, lane);
    }
    for (int c = Hold::HELD; c < P::DEPTH; ++c) {
      const E* here = chunk_at(operand, slot_size, wk + c * P::WK);
      UNROLL for (int m = 0; m < P::LOCAL; ++m) {
        unsigned words[P::FRAGMENT];
        UNROLL for (int n = 0; n < P::FRAGMENT / 4; ++n) {
          const Words four = *place(c, m, n);
          UNROLL for (int part = 0; part < 4; ++part) words[n * 4 + part] = four.word[part];
        }
        multiply_chunk<P>(sum[m], words, here, lane);
      }
    }
    UNROLL for (int m = 0; m < P::LOCAL; ++m)
      if (wm + m * P::WM < P::TILES) put_partial<P>(partial, sum[m], wm + m * P::WM, wk, lane);
  }

  // Where a chunk of the depth begins; behind the last the last again, whose weights there are zeros: without a branch
  // all reads of a product are on their way at once.
  FN static const E* chunk_at(const E* operand, int64 slot_size, int chunk) {
    const int known = P::CHUNKS % P::WK ? least(chunk, P::CHUNKS - 1) : chunk;
    const int input = P::DEEP == 1 ? 0 : known * CHUNK / WIDTH;
    return operand + (P::FIRST_SLOT + input) * slot_size + (known * CHUNK - input * WIDTH);
  }
};

// The sum of a product's output for a unit and a row of the tile.
template <class P> FN float total(const float* partial, int output, int unit, int row) {
  float sum = 0.0f;
  UNROLL for (int part = 0; part < P::PARTS; ++part)
    sum += partial[(part * P::HEIGHT + output * UNITS + unit) * PITCH + row];
  return sum;
}

// The weights of all phases.
template <int K, bool BACK> struct AllWeights {
  Weights<K, BACK> mine;
  AllWeights<K + 1, BACK> later;
  FN void load(const E* weights, int64 first_unit, unsigned char* memory, Words* bounce) {
    mine.load(weights, first_unit, memory, bounce);
    later.load(weights, first_unit, memory, bounce);
  }
  template <int N> FN const auto& of() const {
    if constexpr (N == K) return mine;
    else return later.template of<N>();
  }
};
template <bool BACK> struct AllWeights<Cell::PHASES, BACK> {
  FN void load(const E*, int64, unsigned char*, Words*) {}
};
