#include "CPUCheck.h"

#include <stddef.h>

#define REQUIRE(bit, name, present) \
  if ((sets & (bit)) && !(present)) return name

#if defined(__x86_64__)
const char *cpu_check_missing(unsigned sets) {
  __builtin_cpu_init();
  REQUIRE(CPU_CHECK_AVX, "avx", __builtin_cpu_supports("avx"));
  REQUIRE(CPU_CHECK_AVX2, "avx2", __builtin_cpu_supports("avx2"));
  REQUIRE(CPU_CHECK_FMA, "fma", __builtin_cpu_supports("fma"));
  REQUIRE(CPU_CHECK_AVX512F, "avx512f", __builtin_cpu_supports("avx512f"));
  REQUIRE(CPU_CHECK_AVX512BW, "avx512bw", __builtin_cpu_supports("avx512bw"));
  REQUIRE(CPU_CHECK_AVX512DQ, "avx512dq", __builtin_cpu_supports("avx512dq"));
  REQUIRE(CPU_CHECK_AVX512VL, "avx512vl", __builtin_cpu_supports("avx512vl"));
  return NULL;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

const char *cpu_check_missing(unsigned sets) {
  unsigned long capabilities = getauxval(AT_HWCAP);
  REQUIRE(CPU_CHECK_DOTPROD, "dotprod", capabilities & (1ul << 20));
  REQUIRE(CPU_CHECK_FP16, "fp16 vector arithmetic", capabilities & (1ul << 10));
  REQUIRE(CPU_CHECK_SVE, "sve", capabilities & (1ul << 22));
  return NULL;
}
#else
const char *cpu_check_missing(unsigned sets) {
  (void)sets;
  return NULL;
}
#endif
