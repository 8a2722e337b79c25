// A stand-in for NVIDIA's driver library: two devices with an H100's figures that accept code and start nothing. It tells
// on stderr what it is asked for, and refuses what a driver would: a block with more shared memory than its kernel was
// allowed, and a cooperative grid of more blocks than there are multiprocessors.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { INVALID_VALUE = 1, INVALID_IMAGE = 200, TOO_LARGE = 720, MULTIPROCESSORS = 132 };
static struct { void* library; char name[64]; unsigned allowed; } kernels[64];
static int known, libraries;

static int any(void) { return 0; }
static int version(int* found) { return *found = 13000, 0; }
static int count(int* found) { return *found = 2, 0; }
static int device_of(int* found, int number) { return *found = number, 0; }
static int attribute(int* found, int which, int device) {  // as CUdevice_attribute counts them
  const int known_ones[][2] = {{16, MULTIPROCESSORS}, {97, 232448}, {82, 65536}, {75, 9}, {76, 0}};
  *found = 1;
  for (int n = 0; n < 5; ++n)
    if (known_ones[n][0] == which) *found = known_ones[n][1];
  return 0;
}
static int context_device(int* found) { return *found = 0, 0; }
static int context(void** found) { return *found = (void*)1, 0; }
static int primary(void** found, int device) { return *found = (void*)1, 0; }
static int make_current(void* context) { return fprintf(stderr, "set current\n"), 0; }
static int stream_context(void* stream, void** found) { return *found = (void*)1, 0; }
static int stream_contexts(void* stream, void** found, void** green) { return *found = (void*)1, *green = 0, 0; }
static int load(void** library, const char* code) {
  *library = (char*)0 + ++libraries;
  return memcmp(code, "\177ELF", 4) ? INVALID_IMAGE : 0;
}
static int kernel(void** found, void* library, const char* name) {  // the same whenever it is asked for
  int n = 0;
  while (n < known && (kernels[n].library != library || strcmp(kernels[n].name, name))) ++n;
  if (n == known) {
    snprintf(kernels[n].name, sizeof kernels[n].name, "%s", name);
    kernels[n].library = library, kernels[n].allowed = 48 << 10, ++known;
  }
  return *found = &kernels[n], 0;
}
static int number_of(void* kernel) { return (int)(((char*)kernel - (char*)kernels) / sizeof *kernels); }
static int allow(int which, int bytes, void* kernel, int device) {
  if (which == 8) kernels[number_of(kernel)].allowed = bytes;  // CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
  return 0;
}
static int occupancy(int* blocks, void* kernel, int threads, size_t shared) { return *blocks = 1, 0; }

struct Attribute { int id, unused; union { char size[64]; int cooperative; } value; };
struct Launch { unsigned grid[3], block[3], shared; void* stream; struct Attribute* attributes; unsigned count; };
static int launch(const struct Launch* asked, void* kernel, int64_t** arguments) {
  const int number = number_of(kernel);
  const int cooperative = asked->count == 1 && asked->attributes->id == 2 && asked->attributes->value.cooperative;
  fprintf(stderr, "%s %u %u %u %d %p", kernels[number].name, asked->grid[0], asked->block[0], asked->shared, cooperative, asked->stream);
  for (int n = 0; n < 25; ++n) fprintf(stderr, " %lld", (long long)*arguments[n]);
  fprintf(stderr, "\n");
  if (asked->shared > kernels[number].allowed) return INVALID_VALUE;
  return cooperative && asked->grid[0] > MULTIPROCESSORS ? TOO_LARGE : 0;
}
static int text(int error, const char** found) { return *found = error == INVALID_VALUE ? "invalid value" : "refused", 0; }

int cuInit(unsigned flags) { return 0; }
int cuGetProcAddress_v2(const char* name, void** found, int since, uint64_t flags, int* status) {
  const struct { const char* name; void* function; } all[] = {
      {"cuDriverGetVersion", version}, {"cuDeviceGetCount", count}, {"cuDeviceGet", device_of},
      {"cuDeviceGetAttribute", attribute}, {"cuCtxGetDevice", context_device}, {"cuCtxGetCurrent", context},
      {"cuDevicePrimaryCtxRetain", primary}, {"cuCtxSetCurrent", make_current}, {"cuLibraryLoadData", load},
      {"cuLibraryGetKernel", kernel}, {"cuKernelSetAttribute", allow}, {"cuLaunchKernelEx", launch},
      {"cuOccupancyMaxActiveBlocksPerMultiprocessor", occupancy}, {"cuGetErrorName", text}, {"cuGetErrorString", text},
      {"cuStreamGetCtx", since < 12050 ? (void*)stream_context : (void*)stream_contexts}, {"cuGetProcAddress", cuGetProcAddress_v2}};
  *found = any;
  if (status) *status = 0;
  for (size_t n = 0; n < sizeof all / sizeof *all; ++n)
    if (!strcmp(all[n].name, name)) *found = all[n].function;
  return 0;
}
