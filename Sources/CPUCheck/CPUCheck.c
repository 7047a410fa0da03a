#include "CPUCheck.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#define CHECK(feature) if (strcmp(name, feature) == 0) return __builtin_cpu_supports(feature)
static int supported(const char *name) {
  __builtin_cpu_init();
  CHECK("avx");
  CHECK("avx2");
  CHECK("fma");
  CHECK("avx512f");
  CHECK("avx512bw");
  CHECK("avx512vl");
  CHECK("avx512dq");
  return 1;
}
#else
static int supported(const char *name) {
  (void)name;
  return 1;
}
#endif

const char *cpu_check_missing(const char *const *required, int count) {
  for (int i = 0; i < count; i++)
    if (!supported(required[i])) return required[i];
  return NULL;
}
