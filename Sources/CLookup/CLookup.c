#include "CLookup.h"

#include <math.h>

float lookup_halves[65536];

/// IEEE 754 binary16: a sign, five bits of exponent (bias 15), ten of fraction. Every product is exact.
static float half(uint16_t bits) {
  const int exponent = bits >> 10 & 31, fraction = bits & 1023;
  const float magnitude = exponent == 31 ? (fraction ? NAN : INFINITY)
                          : exponent == 0
                              ? fraction * 0x1p-24f
                              : (1024 + fraction) * 0x1p-25f * (float)(1u << exponent);
  return bits & 0x8000 ? -magnitude : magnitude;
}

/// Before `main`, so that no reader need ask whether the table is there; some 100 microseconds.
__attribute__((constructor)) static void fill_halves(void) {
  for (int bits = 0; bits < 65536; bits++) lookup_halves[bits] = half((uint16_t)bits);
}
