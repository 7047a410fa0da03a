#ifndef C_LOOKUP_H
#define C_LOOKUP_H

#include <stdint.h>

// Everything here is inlined: there is no calling convention that registers of 16 numbers could change.
#pragma clang diagnostic ignored "-Wpsabi"

/// Tables that the kernels read numbers from where that is faster than to compute them.

/// The value of every half float, by its bits: one load, where x86-64 takes three instructions to convert and spread
/// one. Not written to after the program has started.
extern float lookup_halves[65536];

static inline float lookup_half(uint16_t bits) { return lookup_halves[bits]; }

/// Sixteen numbers in one register, from which AVX-512 picks by one instruction that Swift's vectors have no name for.
/// The type is Swift's SIMD16.
typedef float lookup_floats __attribute__((ext_vector_type(16)));
typedef unsigned lookup_words __attribute__((ext_vector_type(16)));

#if defined(__AVX512F__)
#include <immintrin.h>

static inline int lookup_is_fast(void) { return 1; }

/// Sixteen half floats in memory as floats. (Swift's own conversion of vectors stays a call in a large loop.)
static inline __attribute__((always_inline)) lookup_floats lookup_half_vector(const void *halves) {
  return (lookup_floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)halves));
}

/// One half float in memory, sixteen times.
static inline __attribute__((always_inline)) lookup_floats lookup_scale(const void *half) {
  int16_t bits;
  __builtin_memcpy(&bits, half, sizeof bits);
  return (lookup_floats)_mm512_cvtph_ps(_mm256_set1_epi16(bits));
}

/// What a half float in memory makes of the numbers −8 to 7. (Multiplied in Swift, the optimiser takes the numbers apart.)
static inline __attribute__((always_inline)) lookup_floats lookup_steps(const void *half) {
  const __m512 steps = _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  return (lookup_floats)_mm512_mul_ps((__m512)lookup_scale(half), steps);
}

/// Sixteen signed bytes as floats.
static inline __attribute__((always_inline)) lookup_floats lookup_signed_bytes(const void *bytes) {
  return (lookup_floats)_mm512_cvtepi32_ps(
      _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)bytes)));
}

/// start + slope · i for i from 0 to 15, each rounded once.
static inline __attribute__((always_inline)) lookup_floats lookup_line(float slope, float start) {
  const __m512 steps = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  return (lookup_floats)_mm512_fmadd_ps(_mm512_set1_ps(slope), steps, _mm512_set1_ps(start));
}

/// Sixteen bytes as words. (Widened in Swift, and shifted there, the optimiser shifts the bytes and widens twice.)
static inline __attribute__((always_inline)) lookup_words lookup_bytes(const void *bytes) {
  return (lookup_words)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)bytes));
}

/// The words without their lowest four bits.
static inline __attribute__((always_inline)) lookup_words lookup_upper_nibbles(lookup_words words) {
  return (lookup_words)_mm512_srli_epi32((__m512i)words, 4);
}

/// Four bits of each of sixteen codes in eight bytes, the first in the lowest; above them stand bits of later ones.
static inline __attribute__((always_inline)) lookup_words lookup_four_bits(const void *codes) {
  uint32_t words[2];
  __builtin_memcpy(words, codes, sizeof words);
  const __m512i spread = _mm512_inserti64x4(
      _mm512_set1_epi32((int)words[0]), _mm256_set1_epi32((int)words[1]), 1);
  const __m512i shifts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  return (lookup_words)_mm512_srlv_epi32(spread, shifts);
}

/// The same of three bits, in six bytes.
static inline __attribute__((always_inline)) lookup_words lookup_three_bits(const void *codes) {
  uint32_t first, second;
  __builtin_memcpy(&first, codes, sizeof first);
  __builtin_memcpy(&second, (const char *)codes + 2, sizeof second);
  const __m512i spread = _mm512_inserti64x4(
      _mm512_set1_epi32((int)first), _mm256_set1_epi32((int)(second >> 8)), 1);
  const __m512i shifts = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 0, 3, 6, 9, 12, 15, 18, 21);
  return (lookup_words)_mm512_srlv_epi32(spread, shifts);
}

/// The same of two bits, in four bytes.
static inline __attribute__((always_inline)) lookup_words lookup_two_bits(const void *codes) {
  uint32_t word;
  __builtin_memcpy(&word, codes, sizeof word);
  const __m512i shifts = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  return (lookup_words)_mm512_srlv_epi32(_mm512_set1_epi32((int)word), shifts);
}

/// The entries that the lowest four bits of each index name.
static inline __attribute__((always_inline)) lookup_floats
lookup_entries(lookup_floats table, lookup_words indices) {
  return (lookup_floats)_mm512_permutexvar_ps((__m512i)indices, (__m512)table);
}

/// The same from a second table where the bit of a lane is set, the first lane's the lowest.
static inline __attribute__((always_inline)) lookup_floats
lookup_entries_of_two(lookup_floats table, lookup_floats second, lookup_words indices, uint16_t bits) {
  const __m512i sixteen = _mm512_set1_epi32(16);
  const __m512i lower = _mm512_and_si512((__m512i)indices, _mm512_set1_epi32(15));
  const __m512i places = _mm512_mask_or_epi32(lower, bits, lower, sixteen);
  return (lookup_floats)_mm512_permutex2var_ps((__m512)table, places, (__m512)second);
}

/// Lane r is the sum of the sixteen floats at `vectors + 16 r`: halves are added, and their halves, each time of two
/// vectors at once, until a lane of each is left.
static inline __attribute__((always_inline)) lookup_floats lookup_lane_sums(const float *vectors) {
  __m512 sums[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++) sums[i] = _mm512_loadu_ps(vectors + 16 * i);
#pragma clang loop unroll(full)
  for (int i = 0; i < 8; i++)
    sums[i] = _mm512_add_ps(
        _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0x44),
        _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0xee));
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++)
    sums[i] = _mm512_add_ps(
        _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0x88),
        _mm512_shuffle_f32x4(sums[2 * i], sums[2 * i + 1], 0xdd));
#pragma clang loop unroll(full)
  for (int i = 0; i < 2; i++)
    sums[i] = _mm512_add_ps(
        _mm512_shuffle_ps(sums[2 * i], sums[2 * i + 1], 0x44),
        _mm512_shuffle_ps(sums[2 * i], sums[2 * i + 1], 0xee));
  const __m512 mixed = _mm512_add_ps(
      _mm512_shuffle_ps(sums[0], sums[1], 0x88), _mm512_shuffle_ps(sums[0], sums[1], 0xdd));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return (lookup_floats)_mm512_permutexvar_ps(order, mixed);
}

/// The bits of a map at sixteen ascending places, `places[i] - first`, the first in the lowest bit. Reads the map 64
/// bytes on from the word of the first place: it needs 64 bytes beyond its last bit.
static inline __attribute__((always_inline)) uint16_t
lookup_bits(const void *map, const int32_t *places, int32_t first) {
  const __m512i bit = _mm512_sub_epi32(_mm512_loadu_si512(places), _mm512_set1_epi32(first));
  const __m512i word = _mm512_srli_epi32(bit, 5);
  const int32_t start = (places[0] - first) >> 5;
  __m512i found;
  if (((places[15] - first) >> 5) - start < 16) {
    found = _mm512_permutexvar_epi32(
        _mm512_sub_epi32(word, _mm512_set1_epi32(start)),
        _mm512_loadu_si512((const int32_t *)map + start));
  } else {
    found = _mm512_i32gather_epi32(word, map, 4);
  }
  const __m512i one = _mm512_sllv_epi32(
      _mm512_set1_epi32(1), _mm512_and_si512(bit, _mm512_set1_epi32(31)));
  return _mm512_test_epi32_mask(found, one);
}
#else
// The same by plain C. Numbers are computed instead where these are not fast; bits are looked up by them.

static inline int lookup_is_fast(void) { return 0; }

#if defined(__AVX2__) && defined(__F16C__)
#include <immintrin.h>

static inline __attribute__((always_inline)) lookup_floats lookup_both(__m256 first, __m256 second) {
  return __builtin_shufflevector(
      first, second, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

static inline __attribute__((always_inline)) lookup_floats lookup_half_vector(const void *halves) {
  const __m128i *eights = (const __m128i *)halves;
  return lookup_both(
      _mm256_cvtph_ps(_mm_loadu_si128(eights)), _mm256_cvtph_ps(_mm_loadu_si128(eights + 1)));
}

static inline __attribute__((always_inline)) lookup_floats lookup_scale(const void *half) {
  int16_t bits;
  __builtin_memcpy(&bits, half, sizeof bits);
  const __m256 scale = _mm256_cvtph_ps(_mm_set1_epi16(bits));
  return lookup_both(scale, scale);
}

static inline __attribute__((always_inline)) lookup_floats lookup_signed_bytes(const void *bytes) {
  const __m128i all = _mm_loadu_si128((const __m128i *)bytes);
  return lookup_both(
      _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(all)),
      _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(all, 8))));
}

/// The lane sums of eight vectors of eight.
static inline __attribute__((always_inline)) __m256 lookup_eight_sums(const __m256 *vectors) {
  __m256 sums[4];
#pragma clang loop unroll(full)
  for (int i = 0; i < 4; i++)
    sums[i] = _mm256_add_ps(
        _mm256_permute2f128_ps(vectors[2 * i], vectors[2 * i + 1], 0x20),
        _mm256_permute2f128_ps(vectors[2 * i], vectors[2 * i + 1], 0x31));
#pragma clang loop unroll(full)
  for (int i = 0; i < 2; i++)
    sums[i] = _mm256_add_ps(
        _mm256_shuffle_ps(sums[2 * i], sums[2 * i + 1], 0x44),
        _mm256_shuffle_ps(sums[2 * i], sums[2 * i + 1], 0xee));
  const __m256 mixed = _mm256_add_ps(
      _mm256_shuffle_ps(sums[0], sums[1], 0x88), _mm256_shuffle_ps(sums[0], sums[1], 0xdd));
  return _mm256_permutevar8x32_ps(mixed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

static inline __attribute__((always_inline)) lookup_floats lookup_lane_sums(const float *vectors) {
  __m256 halves[16];
#pragma clang loop unroll(full)
  for (int i = 0; i < 16; i++)
    halves[i] = _mm256_add_ps(
        _mm256_loadu_ps(vectors + 16 * i), _mm256_loadu_ps(vectors + 16 * i + 8));
  return lookup_both(lookup_eight_sums(halves), lookup_eight_sums(halves + 8));
}

/// Eight of `bits` bits each from the lowest of a word on, and eight from `start` on of another.
static inline __attribute__((always_inline)) lookup_words
lookup_codes(uint32_t first, uint32_t second, int bits, int start) {
  const __m256i steps =
      _mm256_mullo_epi32(_mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7), _mm256_set1_epi32(bits));
  return (lookup_words)lookup_both(
      (__m256)_mm256_srlv_epi32(_mm256_set1_epi32((int)first), steps),
      (__m256)_mm256_srlv_epi32(
          _mm256_set1_epi32((int)second), _mm256_add_epi32(steps, _mm256_set1_epi32(start))));
}

static inline __attribute__((always_inline)) lookup_words lookup_four_bits(const void *codes) {
  uint32_t words[2];
  __builtin_memcpy(words, codes, sizeof words);
  return lookup_codes(words[0], words[1], 4, 0);
}

static inline __attribute__((always_inline)) lookup_words lookup_three_bits(const void *codes) {
  uint32_t first, second;
  __builtin_memcpy(&first, codes, sizeof first);
  __builtin_memcpy(&second, (const char *)codes + 2, sizeof second);
  return lookup_codes(first, second, 3, 8);
}

static inline __attribute__((always_inline)) lookup_words lookup_two_bits(const void *codes) {
  uint32_t word;
  __builtin_memcpy(&word, codes, sizeof word);
  return lookup_codes(word, word, 2, 16);
}

static inline __attribute__((always_inline)) lookup_floats
lookup_entries(lookup_floats table, lookup_words indices) {
  const __m256 low = __builtin_shufflevector(table, table, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 high = __builtin_shufflevector(table, table, 8, 9, 10, 11, 12, 13, 14, 15);
  __m256i places[2];
  __builtin_memcpy(places, &indices, sizeof places);
  __m256 found[2];
#pragma clang loop unroll(full)
  for (int i = 0; i < 2; i++)
    found[i] = _mm256_blendv_ps(
        _mm256_permutevar8x32_ps(low, places[i]), _mm256_permutevar8x32_ps(high, places[i]),
        (__m256)_mm256_slli_epi32(places[i], 28));
  return lookup_both(found[0], found[1]);
}
#else
static inline lookup_floats lookup_half_vector(const void *halves) {
  lookup_floats floats;
  for (int i = 0; i < 16; i++) floats[i] = lookup_half(((const uint16_t *)halves)[i]);
  return floats;
}

static inline lookup_floats lookup_scale(const void *half) {
  uint16_t bits;
  __builtin_memcpy(&bits, half, sizeof bits);
  return (lookup_floats)(lookup_half(bits));
}

static inline lookup_floats lookup_signed_bytes(const void *bytes) {
  lookup_floats floats;
  for (int i = 0; i < 16; i++) floats[i] = ((const int8_t *)bytes)[i];
  return floats;
}

static inline lookup_floats lookup_lane_sums(const float *vectors) {
  lookup_floats sums;
  for (int i = 0; i < 16; i++) {
    float lanes[16];
    __builtin_memcpy(lanes, vectors + 16 * i, sizeof lanes);
    for (int half = 8; half > 0; half /= 2)
      for (int lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
    sums[i] = lanes[0];
  }
  return sums;
}

static inline lookup_words lookup_codes(const void *codes, int bits) {
  uint64_t word = 0;
  for (int i = 0; i < 2 * bits; i++) word |= (uint64_t)((const uint8_t *)codes)[i] << (8 * i);
  lookup_words words;
  for (int i = 0; i < 16; i++) words[i] = (uint32_t)(word >> (bits * i));
  return words;
}

static inline lookup_words lookup_four_bits(const void *codes) { return lookup_codes(codes, 4); }
static inline lookup_words lookup_three_bits(const void *codes) { return lookup_codes(codes, 3); }
static inline lookup_words lookup_two_bits(const void *codes) { return lookup_codes(codes, 2); }

static inline lookup_floats lookup_entries(lookup_floats table, lookup_words indices) {
  lookup_floats entries;
  for (int i = 0; i < 16; i++) entries[i] = table[indices[i] & 15];
  return entries;
}
#endif

static inline lookup_floats lookup_steps(const void *half) {
  lookup_floats steps;
  for (int i = 0; i < 16; i++) steps[i] = (float)(i - 8);
  return lookup_scale(half) * steps;
}

static inline lookup_floats lookup_line(float slope, float start) {
  lookup_floats table;
  for (int i = 0; i < 16; i++) table[i] = __builtin_fmaf(slope, (float)i, start);
  return table;
}

static inline lookup_words lookup_bytes(const void *bytes) {
  lookup_words words;
  for (int i = 0; i < 16; i++) words[i] = ((const uint8_t *)bytes)[i];
  return words;
}

static inline lookup_words lookup_upper_nibbles(lookup_words words) { return words >> 4; }

static inline lookup_floats
lookup_entries_of_two(lookup_floats table, lookup_floats second, lookup_words indices, uint16_t bits) {
  lookup_floats entries;
  for (int i = 0; i < 16; i++) entries[i] = (bits >> i & 1 ? second : table)[indices[i] & 15];
  return entries;
}

static inline uint16_t lookup_bits(const void *map, const int32_t *places, int32_t first) {
  uint16_t bits = 0;
  for (int i = 0; i < 16; i++) {
    const uint32_t place = (uint32_t)(places[i] - first);
    bits |= (((const uint8_t *)map)[place / 8] >> (place % 8) & 1) << i;
  }
  return bits;
}
#endif

#endif
