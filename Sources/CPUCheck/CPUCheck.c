#include "CPUCheck.h"

#include <stddef.h>

static const char *const names[] = {
    "avx",      "avx2",     "fma",     "avx512f", "avx512bw",
    "avx512dq", "avx512vl", "dotprod", "fp16",    "sve",
};

#if defined(__x86_64__)
unsigned cpu_check_present(void) {
  unsigned sets = 0;
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx")) sets |= CPU_CHECK_AVX;
  if (__builtin_cpu_supports("avx2")) sets |= CPU_CHECK_AVX2;
  if (__builtin_cpu_supports("fma")) sets |= CPU_CHECK_FMA;
  if (__builtin_cpu_supports("avx512f")) sets |= CPU_CHECK_AVX512F;
  if (__builtin_cpu_supports("avx512bw")) sets |= CPU_CHECK_AVX512BW;
  if (__builtin_cpu_supports("avx512dq")) sets |= CPU_CHECK_AVX512DQ;
  if (__builtin_cpu_supports("avx512vl")) sets |= CPU_CHECK_AVX512VL;
  return sets;
}
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>

unsigned cpu_check_present(void) {
  unsigned sets = 0;
  unsigned long capabilities = getauxval(AT_HWCAP);
  if (capabilities & (1ul << 20)) sets |= CPU_CHECK_DOTPROD;
  if (capabilities & (1ul << 10)) sets |= CPU_CHECK_FP16;
  if (capabilities & (1ul << 22)) sets |= CPU_CHECK_SVE;
  return sets;
}
#else
unsigned cpu_check_present(void) { return ~0u; }
#endif

const char *cpu_check_name(unsigned sets) {
  for (unsigned bit = 0; bit < sizeof names / sizeof *names; bit++)
    if (sets & (1u << bit)) return names[bit];
  return NULL;
}

const char *cpu_check_missing(unsigned sets) { return cpu_check_name(sets & ~cpu_check_present()); }
