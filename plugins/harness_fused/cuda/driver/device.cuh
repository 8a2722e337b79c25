// What the drivers ask of a GPU, in the compiler's own functions and PTX; emulation.hpp says the same for a CPU.
#define FN __device__ __forceinline__
#define KERNEL extern "C" __global__ __launch_bounds__(THREADS, 1)
#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1")

using int64 = long long;

FN int thread_index() { return int(threadIdx.x); }
FN int block_index() { return int(blockIdx.x); }
FN int block_count() { return int(gridDim.x); }
FN void sync_block() { __syncthreads(); }

FN unsigned char* shared_memory() {
  extern __shared__ __align__(128) unsigned char memory[];
  return memory;
}

// Everything this block wrote before its last sync_block is visible to whoever then acquires `value`.
FN void store_release(unsigned* flag, unsigned value) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}

FN unsigned load_acquire(const unsigned* flag) {
  unsigned value;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(flag) : "memory");
  return value;
}

FN void polled() {}  // a chance for others to run, where there is no other

FN unsigned bits_of(float number) { return __float_as_uint(number); }
FN float float_of(unsigned bits) { return __uint_as_float(bits); }

FN unsigned short half_of(float number) {
  unsigned short bits;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(number));
  return bits;
}

FN float from_half(unsigned short bits) {
  float number;
  asm("cvt.f32.f16 %0, %1;" : "=f"(number) : "h"(bits));
  return number;
}

struct alignas(16) Words {
  unsigned word[4];
};

// Sixteen aligned bytes of any memory.
FN Words load_words(const void* from) { return *static_cast<const Words*>(from); }

// sum[16][8] += a[16][16] · b[16][8] by one warp; lane l = 4 g + p holds, two numbers of k a word,
// a: rows g, g + 8, g, g + 8 at k = 2p, 2p, 2p + 8, 2p + 8; b: column g at k = 2p, 2p + 8; sum: rows g, g, g + 8, g + 8
// at columns 2p, 2p + 1, 2p, 2p + 1 (PTX ISA, "Matrix Fragments for mma.m16n8k16").
template <bool BFLOAT> FN void multiply_fragments(float* sum, const unsigned* a, const unsigned* b) {
  if constexpr (BFLOAT)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
