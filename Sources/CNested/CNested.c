#include "CNested.h"

#include "CLookup.h"

#include <string.h>

#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#define NESTED_AVX2 1
#else
#define NESTED_AVX2 0
#endif

#define INLINED static inline __attribute__((always_inline))

/// Calls `once(n)` for 4, 3, 2 or 1 heads at a time, with a number that the compiler knows.
#define FOR_HEADS(heads, once)                 \
  for (int head = 0; head < (heads);) {        \
    switch ((heads) - head) {                  \
      case 1: once(1); head += 1; break;       \
      case 2: once(2); head += 2; break;       \
      case 3: once(3); head += 3; break;       \
      default: once(4); head += 4; break;      \
    }                                          \
  }

/// The group of a row, and the highest bits in it.
INLINED const uint8_t *group_of(const nested_memory *memory, nested_kind kind, int row) {
  return memory->coarse + (int64_t)(row / nested_rows) * nested_coarse_bytes(kind, memory->width);
}

INLINED const uint8_t *uppers(const uint8_t *group) { return group + nested_head_bytes; }

/// Which rows of a group have all bits.
INLINED uint32_t whole_of(const uint8_t *group) {
  uint32_t whole;
  memcpy(&whole, group + 2 * nested_rows, sizeof whole);
  return whole;
}

/// The row of `fine` at which those of a group begin.
INLINED uint32_t place_of(const uint8_t *group) {
  uint32_t place;
  memcpy(&place, group + 2 * nested_rows + 4, sizeof place);
  return place;
}

INLINED int is_whole(const uint8_t *group, int row) {
  return whole_of(group) >> (row % nested_rows) & 1;
}

/// The other bits of a row that has them.
INLINED const uint8_t *lowers(
    const nested_memory *memory, nested_kind kind, const uint8_t *group, int row) {
  const uint32_t before = whole_of(group) & ((1u << (row % nested_rows)) - 1);
  return memory->fine + (int64_t)(place_of(group) + (uint32_t)__builtin_popcount(before)) *
                            nested_fine_bytes(kind, memory->width);
}

/// What is added to a code: 0 lies in the middle of all of them, and a code without its lower bits stands for the middle of
/// those that have its higher ones.
INLINED float middle_of(nested_kind kind, int whole) {
  return whole ? -127.5f : kind == nested_keys ? -120.0f : -96.0f;
}

INLINED float scale_of(const uint8_t *group, int row) {
  uint16_t bits;
  memcpy(&bits, group + 2 * row, sizeof bits);
  #if NESTED_AVX2
  return _cvtsh_ss(bits);
#else
  return lookup_half(bits);
#endif
}

/// Where bits of channel c lie that four channels share a byte for: the byte from the first of the row on, in steps of
/// `step`, and the shift.
INLINED int shared_byte(int c, int step) { return (c / 64 * 16 + c % 16) * step; }
INLINED int shared_shift(int c) { return c % 64 / 16 * 2; }

void nested_store(
    nested_kind kind, int width, uint8_t *coarse, int row, uint16_t scale, const uint8_t *codes,
    uint8_t *lower, int place) {
  uint8_t *group = coarse + (int64_t)(row / nested_rows) * nested_coarse_bytes(kind, width);
  row %= nested_rows;
  memcpy(group + 2 * row, &scale, sizeof scale);
  if (row == 0) {
    const uint32_t first = (uint32_t)place;
    memcpy(group + 2 * nested_rows + 4, &first, sizeof first);
  }
  if (lower) {
    const uint32_t whole = whole_of(group) | 1u << row;
    memcpy(group + 2 * nested_rows, &whole, sizeof whole);
  }
  uint8_t *upper = group + nested_head_bytes;
  if (kind == nested_keys) {
    for (int c = 0; c < width; c++)
      upper[c / 2 * 32 + 2 * (row % 16) + c % 2] |= (uint8_t)(codes[c] >> 4 << row / 16 * 4);
  } else {
    upper += row / 2 * (width / 2) + row % 2;
    for (int c = 0; c < width; c++)
      upper[shared_byte(c, 2)] |= (uint8_t)(codes[c] >> 6 << shared_shift(c));
  }
  if (!lower) return;
  if (kind == nested_values) {
    uint8_t *middle = lower + width / 2;
    memset(middle, 0, (size_t)width / 4);
    for (int c = 0; c < width; c++)
      middle[shared_byte(c, 1)] |= (uint8_t)((codes[c] >> 4 & 3) << shared_shift(c));
  }
  for (int c = 0; c < width; c++) {
    uint8_t *pair = lower + c / 64 * 32 + c % 32;
    *pair = c % 64 < 32 ? codes[c] & 15 : (uint8_t)(*pair | (codes[c] & 15) << 4);
  }
}

#if NESTED_AVX2
/// The codes of 64 channels of a row of values.
INLINED void load_block(
    const uint8_t *upper, int isOdd, const uint8_t *middle, const uint8_t *lower, uint8_t *codes) {
  const __m256i both = _mm256_loadu_si256((const __m256i *)upper);
  const __m256i words = _mm256_and_si256(
      isOdd ? _mm256_srli_epi16(both, 8) : both, _mm256_set1_epi16(255));
  const __m128i high = _mm_packus_epi16(
      _mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  const __m128i low = _mm_loadu_si128((const __m128i *)middle);
  const __m128i first = _mm_loadu_si128((const __m128i *)lower);
  const __m128i second = _mm_loadu_si128((const __m128i *)(lower + 16));
  const __m128i highs[4] = {
      _mm_slli_epi16(high, 6), _mm_slli_epi16(high, 4), _mm_slli_epi16(high, 2), high};
  const __m128i lows[4] = {
      _mm_slli_epi16(low, 4), _mm_slli_epi16(low, 2), low, _mm_srli_epi16(low, 2)};
  const __m128i rests[4] = {
      first, second, _mm_srli_epi16(first, 4), _mm_srli_epi16(second, 4)};
  for (int part = 0; part < 4; part++)
    _mm_storeu_si128(
        (__m128i *)(codes + 16 * part),
        _mm_or_si128(
            _mm_or_si128(
                _mm_and_si128(highs[part], _mm_set1_epi8((char)0xc0)),
                _mm_and_si128(lows[part], _mm_set1_epi8(0x30))),
            _mm_and_si128(rests[part], _mm_set1_epi8(0x0f))));
}
#endif

/// The codes of a row.
INLINED void load_codes(
    const nested_memory *memory, nested_kind kind, int row, uint8_t *codes) {
  const int width = memory->width;
  const uint8_t *group = group_of(memory, kind, row), *upper = uppers(group);
  row %= nested_rows;
  const int whole = is_whole(group, row);
  const uint8_t *lower = whole ? lowers(memory, kind, group, row) : NULL;
#if NESTED_AVX2
  if (kind == nested_values && whole) {
    upper += row / 2 * (width / 2);
    for (int block = 0; block < width; block += 64)
      load_block(
          upper + block / 2, row % 2, lower + width / 2 + block / 4, lower + block / 2,
          codes + block);
    return;
  }
#endif
  if (whole)
    for (int block = 0; block < width; block += 64)
      for (int j = 0; j < 32; j++) {
        codes[block + j] = lower[block / 2 + j] & 15;
        codes[block + 32 + j] = lower[block / 2 + j] >> 4;
      }
  else
    memset(codes, 0, (size_t)width);
  if (kind == nested_keys) {
    upper += 2 * (row % 16);
    const int shift = row / 16 * 4;
    for (int c = 0; c < width; c += 2) {
      codes[c] |= (uint8_t)((upper[c * 16] >> shift & 15) << 4);
      codes[c + 1] |= (uint8_t)((upper[c * 16 + 1] >> shift & 15) << 4);
    }
    return;
  }
  upper += row / 2 * (width / 2) + row % 2;
  // Sixteen at a time, so that the compiler makes vectors of them.
  for (int block = 0; block < width; block += 64)
    for (int part = 0; part < 4; part++)
      for (int j = 0; j < 16; j++)
        codes[block + 16 * part + j] |=
            (uint8_t)((upper[block / 2 + 2 * j] >> (2 * part) & 3) << 6);
  if (!whole) return;
  const uint8_t *middle = lower + width / 2;
  for (int block = 0; block < width; block += 64)
    for (int part = 0; part < 4; part++)
      for (int j = 0; j < 16; j++)
        codes[block + 16 * part + j] |=
            (uint8_t)((middle[block / 4 + j] >> (2 * part) & 3) << 4);
}

uint16_t nested_load(const nested_memory *memory, int row, uint8_t *codes) {
  load_codes(memory, memory->kind, row, codes);
  uint16_t scale;
  memcpy(&scale, group_of(memory, memory->kind, row) + 2 * (row % nested_rows), sizeof scale);
  return scale;
}

uint32_t nested_whole(const nested_memory *memory, int group) {
  return whole_of(group_of(memory, memory->kind, group * nested_rows));
}

void nested_set_whole(nested_kind kind, int width, uint8_t *coarse, int group, uint32_t whole) {
  coarse += (int64_t)group * nested_coarse_bytes(kind, width) + 2 * nested_rows;
  memcpy(coarse, &whole, sizeof whole);
}

int nested_count(nested_kind kind, int width, uint8_t *coarse, int groups) {
  uint32_t rows = 0;
  for (int g = 0; g < groups; g++, coarse += nested_coarse_bytes(kind, width)) {
    memcpy(coarse + 2 * nested_rows + 4, &rows, sizeof rows);
    rows += (uint32_t)__builtin_popcount(whole_of(coarse));
  }
  return (int)rows;
}

INLINED void decode(
    const nested_memory *memory, nested_kind kind, int first, int count, float *numbers) {
  const int width = memory->width;
  uint8_t codes[width];
  for (int row = first; row < first + count; row++) {
    load_codes(memory, kind, row, codes);
    const uint8_t *group = group_of(memory, kind, row);
    const float scale = scale_of(group, row % nested_rows);
    const float middle = middle_of(kind, is_whole(group, row));
    float *target = numbers + (int64_t)(row - first) * width;
    for (int c = 0; c < width; c++) target[c] = ((float)codes[c] + middle) * scale;
  }
}

void nested_decode(const nested_memory *memory, int first, int count, float *numbers) {
  if (memory->kind == nested_keys)
    decode(memory, nested_keys, first, count, numbers);
  else
    decode(memory, nested_values, first, count, numbers);
}

INLINED void load_scales(const nested_memory *memory, nested_kind kind, int count, float *scales) {
  int row = 0;
#if NESTED_AVX2
  for (; row + 8 <= count; row += 8) {
    const uint8_t *group = group_of(memory, kind, row);
    _mm256_storeu_ps(
        scales + row,
        _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(group + 2 * (row % nested_rows)))));
  }
#endif
  for (; row < count; row++) scales[row] = scale_of(group_of(memory, kind, row), row % nested_rows);
}

void nested_scales(const nested_memory *memory, int count, float *scales) {
  if (memory->kind == nested_keys)
    load_scales(memory, nested_keys, count, scales);
  else
    load_scales(memory, nested_values, count, scales);
}

// MARK: Products

#if NESTED_AVX2
/// Bytes ahead of those at work that are asked for.
enum { ahead = 2048 };

INLINED __m256i broadcast_pair(const int8_t *pair) {
  int16_t bits;
  memcpy(&bits, pair, sizeof bits);
  return _mm256_set1_epi16(bits);
}

INLINED void rank_group(
    const uint8_t *group, int width, const nested_queries *all, int head, int heads, float *logits,
    int stride) {
  const int8_t *queries = all->codes + head * width;
  const __m256i mask = _mm256_set1_epi8(15);
  const uint8_t *upper = uppers(group);
  __m256i total[4][4];
  for (int h = 0; h < heads; h++)
    for (int i = 0; i < 4; i++) total[h][i] = _mm256_setzero_si256();
  for (int begin = 0; begin < width; begin += 64) {
    // Sums of sixteen bits: 15 · 2,184 fits.
    __m256i first[4], second[4];
    for (int h = 0; h < heads; h++) first[h] = second[h] = _mm256_setzero_si256();
    const int end = begin + 64 < width ? begin + 64 : width;
    for (int c = begin; c < end; c += 2) {
      // The CPU's own prefetching stops at each page.
      if (c % 4 == 0) _mm_prefetch((const char *)(upper + c * 16 + ahead), _MM_HINT_T0);
      const __m256i both = _mm256_loadu_si256((const __m256i *)(upper + c * 16));
      const __m256i below = _mm256_and_si256(both, mask);
      const __m256i above = _mm256_and_si256(_mm256_srli_epi16(both, 4), mask);
      for (int h = 0; h < heads; h++) {
        const __m256i query = broadcast_pair(queries + h * width + c);
        first[h] = _mm256_add_epi16(first[h], _mm256_maddubs_epi16(below, query));
        second[h] = _mm256_add_epi16(second[h], _mm256_maddubs_epi16(above, query));
      }
    }
    for (int h = 0; h < heads; h++) {
      const __m128i quarters[4] = {
          _mm256_castsi256_si128(first[h]), _mm256_extracti128_si256(first[h], 1),
          _mm256_castsi256_si128(second[h]), _mm256_extracti128_si256(second[h], 1)};
      for (int i = 0; i < 4; i++)
        total[h][i] = _mm256_add_epi32(total[h][i], _mm256_cvtepi16_epi32(quarters[i]));
    }
  }
  for (int i = 0; i < 4; i++) {
    const __m256 scale = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(group + 16 * i)));
    for (int h = 0; h < heads; h++) {
      const __m256 product = _mm256_fmadd_ps(
          _mm256_cvtepi32_ps(total[h][i]), _mm256_set1_ps(16),
          _mm256_set1_ps(-120.0f * (float)all->sums[head + h]));
      _mm256_storeu_ps(
          logits + (head + h) * stride + 8 * i,
          _mm256_fmadd_ps(
              _mm256_mul_ps(product, scale), _mm256_set1_ps(all->factors[head + h]),
              _mm256_set1_ps(all->shifts[head + h])));
    }
  }
}

INLINED void lower_products(
    const uint8_t *lower, int width, const int8_t *queries, int heads, int32_t *sums) {
  const __m128i mask = _mm_set1_epi8(15), one = _mm_set1_epi16(1);
  __m128i total[4];
  for (int h = 0; h < heads; h++) total[h] = _mm_setzero_si128();
  for (int c = 0; c < width; c += c % 64 == 0 ? 16 : 48) {
    const __m128i both = _mm_loadu_si128((const __m128i *)(lower + c / 64 * 32 + c % 64));
    const __m128i below = _mm_and_si128(both, mask);
    const __m128i above = _mm_and_si128(_mm_srli_epi16(both, 4), mask);
    for (int h = 0; h < heads; h++) {
      const int8_t *query = queries + h * width + c;
      const __m128i products = _mm_add_epi16(
          _mm_maddubs_epi16(below, _mm_loadu_si128((const __m128i *)query)),
          _mm_maddubs_epi16(above, _mm_loadu_si128((const __m128i *)(query + 32))));
      total[h] = _mm_add_epi32(total[h], _mm_madd_epi16(products, one));
    }
  }
  for (int h = 0; h < heads; h++) {
    __m128i sum = _mm_add_epi32(total[h], _mm_shuffle_epi32(total[h], 0x4e));
    sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xb1));
    sums[h] = _mm_cvtsi128_si32(sum);
  }
}

INLINED void add_coarse(
    const nested_memory *values, int count, const int8_t *weights, int stride, int heads,
    int32_t *sums) {
  const int width = values->width;
  const __m256i mask = _mm256_set1_epi8(3);
  for (int begin = 0; begin < width; begin += 64) {
    __m256i total[3][4][2];
    for (int h = 0; h < heads; h++)
      for (int part = 0; part < 4; part++)
        total[h][part][0] = total[h][part][1] = _mm256_setzero_si256();
    // Sums of sixteen bits: 64 rows of at most 3 · 127 fit.
    for (int start = 0; start < count; start += 2) {
      __m256i small[3][4];
      for (int h = 0; h < heads; h++)
        for (int part = 0; part < 4; part++) small[h][part] = _mm256_setzero_si256();
      const int end = start + 2 < count ? start + 2 : count;
      for (int g = start; g < end; g++) {
        const uint8_t *upper =
            uppers(group_of(values, nested_values, g * nested_rows)) + begin / 2;
        const int8_t *pairs = weights + g * nested_rows;
        for (int pair = 0; pair < nested_rows / 2; pair++) {
          const uint8_t *bytes = upper + pair * (width / 2);
          _mm_prefetch((const char *)(bytes + ahead), _MM_HINT_T0);
          __m256i all = _mm256_loadu_si256((const __m256i *)bytes);
          __m256i weight[3];
          for (int h = 0; h < heads; h++) weight[h] = broadcast_pair(pairs + h * stride + 2 * pair);
          for (int part = 0; part < 4; part++) {
            const __m256i codes = _mm256_and_si256(all, mask);
            for (int h = 0; h < heads; h++)
              small[h][part] = _mm256_add_epi16(
                  small[h][part], _mm256_maddubs_epi16(codes, weight[h]));
            all = _mm256_srli_epi16(all, 2);
          }
        }
      }
      for (int h = 0; h < heads; h++)
        for (int part = 0; part < 4; part++) {
          const __m256i sum = small[h][part];
          total[h][part][0] = _mm256_add_epi32(
              total[h][part][0], _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sum)));
          total[h][part][1] = _mm256_add_epi32(
              total[h][part][1], _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sum, 1)));
        }
    }
    for (int h = 0; h < heads; h++)
      for (int part = 0; part < 4; part++)
        for (int half = 0; half < 2; half++)
          _mm256_storeu_si256(
              (__m256i *)(sums + h * width + begin + 16 * part + 8 * half), total[h][part][half]);
  }
}

/// `count` rows of `width` codes each, one after the other.
INLINED void add_codes(
    const uint8_t *codes, const float *scales, int width, int count, const float *weights,
    int stride, int heads, float *sums, int sumStride) {
  const __m256 middle = _mm256_set1_ps(-127.5f);
  for (int c = 0; c < width; c += 16) {
    __m256 low[4], high[4];
    for (int h = 0; h < heads; h++) {
      low[h] = _mm256_loadu_ps(sums + h * sumStride + c);
      high[h] = _mm256_loadu_ps(sums + h * sumStride + c + 8);
    }
    for (int i = 0; i < count; i++) {
      const __m256 scale = _mm256_set1_ps(scales[i]);
      const __m128i row = _mm_loadu_si128((const __m128i *)(codes + i * width + c));
      const __m256 a = _mm256_mul_ps(
          _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(row)), middle), scale);
      const __m256 b = _mm256_mul_ps(
          _mm256_add_ps(_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_srli_si128(row, 8))), middle),
          scale);
      for (int h = 0; h < heads; h++) {
        const __m256 weight = _mm256_set1_ps(weights[h * stride + i]);
        low[h] = _mm256_fmadd_ps(a, weight, low[h]);
        high[h] = _mm256_fmadd_ps(b, weight, high[h]);
      }
    }
    for (int h = 0; h < heads; h++) {
      _mm256_storeu_ps(sums + h * sumStride + c, low[h]);
      _mm256_storeu_ps(sums + h * sumStride + c + 8, high[h]);
    }
  }
}
#else
INLINED void rank_group(
    const uint8_t *group, int width, const nested_queries *all, int head, int heads, float *logits,
    int stride) {
  const uint8_t *upper = uppers(group);
  for (int h = head; h < head + heads; h++) {
    int32_t total[nested_rows] = {0};
    for (int c = 0; c < width; c++) {
      const uint8_t *codes = upper + c / 2 * 32 + c % 2;
      const int query = all->codes[h * width + c];
      for (int r = 0; r < 16; r++) {
        total[r] += (codes[2 * r] & 15) * query;
        total[16 + r] += (codes[2 * r] >> 4) * query;
      }
    }
    for (int r = 0; r < nested_rows; r++) {
      const float product = 16 * (float)total[r] - 120 * (float)all->sums[h];
      logits[h * stride + r] = product * scale_of(group, r) * all->factors[h] + all->shifts[h];
    }
  }
}

INLINED void lower_products(
    const uint8_t *lower, int width, const int8_t *queries, int heads, int32_t *sums) {
  for (int h = 0; h < heads; h++) {
    const int8_t *query = queries + h * width;
    int32_t total = 0;
    for (int block = 0; block < width; block += 64)
      for (int j = 0; j < 32; j++) {
        const int both = lower[block / 2 + j];
        total += (both & 15) * query[block + j] + (both >> 4) * query[block + 32 + j];
      }
    sums[h] = total;
  }
}

INLINED void add_coarse(
    const nested_memory *values, int count, const int8_t *weights, int stride, int heads,
    int32_t *sums) {
  const int width = values->width;
  memset(sums, 0, sizeof *sums * (size_t)(heads * width));
  for (int row = 0; row < count * nested_rows; row++) {
    const uint8_t *upper = uppers(group_of(values, nested_values, row)) +
                           row % nested_rows / 2 * (width / 2) + row % 2;
    for (int h = 0; h < heads; h++) {
      const int weight = weights[h * stride + row];
      if (weight == 0) continue;
      for (int block = 0; block < width; block += 64)
        for (int part = 0; part < 4; part++)
          for (int j = 0; j < 16; j++)
            sums[h * width + block + 16 * part + j] +=
                weight * (upper[block / 2 + 2 * j] >> (2 * part) & 3);
    }
  }
}

INLINED void add_codes(
    const uint8_t *codes, const float *scales, int width, int count, const float *weights,
    int stride, int heads, float *sums, int sumStride) {
  for (int i = 0; i < count; i++)
    for (int h = 0; h < heads; h++) {
      const float weight = weights[h * stride + i] * scales[i];
      for (int c = 0; c < width; c++)
        sums[h * sumStride + c] += ((float)codes[i * width + c] - 127.5f) * weight;
    }
}
#endif

void nested_rank(
    const nested_memory *keys, int groups, const nested_queries *queries, float *logits,
    int stride) {
#define once(n)                                                                                  \
  for (int g = 0; g < groups; g++)                                                               \
  rank_group(                                                                                    \
      group_of(keys, nested_keys, g * nested_rows), keys->width, queries, head, n,               \
      logits + g * nested_rows, stride)
  FOR_HEADS(queries->heads, once)
#undef once
}

INLINED void refine_row(
    const nested_memory *keys, int row, const nested_queries *all, int head, int heads,
    const float *ranked, int rankedStride, float *logits, int stride) {
  int32_t sums[4];
  const int width = keys->width;
  const uint8_t *group = group_of(keys, nested_keys, row);
  lower_products(
      lowers(keys, nested_keys, group, row), width, all->codes + head * width, heads, sums);
  const float scale = scale_of(group, row % nested_rows);
  for (int h = 0; h < heads; h++)
    logits[(head + h) * stride] =
        ranked[(head + h) * rankedStride] +
        ((float)sums[h] - 7.5f * (float)all->sums[head + h]) * scale * all->factors[head + h];
}

void nested_fetch(const nested_memory *memory, const int32_t *rows, int count) {
  const int bytes = nested_fine_bytes(memory->kind, memory->width);
  for (int i = 0; i < count; i++) {
    const uint8_t *row =
        lowers(memory, memory->kind, group_of(memory, memory->kind, rows[i]), rows[i]);
    for (int line = 0; line < bytes; line += 64) __builtin_prefetch(row + line);
    __builtin_prefetch(row + bytes - 1);
  }
}

void nested_refine(
    const nested_memory *keys, const int32_t *rows, int count, const nested_queries *queries,
    const float *ranked, int rankedStride, float *logits, int stride) {
#define once(n)                                                                                  \
  for (int i = 0; i < count; i++) {                                                              \
    refine_row(                                                                                  \
        keys, rows[i], queries, head, n, ranked + rows[i], rankedStride, logits + i, stride);    \
  }
  FOR_HEADS(queries->heads, once)
#undef once
}

int nested_select(
    const nested_memory *memory, const float *numbers, int stride, int heads, int count,
    const float *least, int32_t *places) {
  int found = 0, i = 0;
#if NESTED_AVX2
  for (; i + 8 <= count; i += 8) {
    __m256 larger = _mm256_setzero_ps();
    for (int h = 0; h < heads; h++)
      larger = _mm256_or_ps(
          larger, _mm256_cmp_ps(
                      _mm256_loadu_ps(numbers + h * stride + i), _mm256_set1_ps(least[h]), _CMP_GT_OQ));
    const uint32_t whole = whole_of(group_of(memory, memory->kind, i)) >> (i % nested_rows);
    for (uint32_t bits = (uint32_t)_mm256_movemask_ps(larger) & whole; bits; bits &= bits - 1)
      places[found++] = i + __builtin_ctz(bits);
  }
#endif
  for (; i < count; i++) {
    int larger = 0;
    for (int h = 0; h < heads; h++) larger |= numbers[h * stride + i] > least[h];
    if (larger && is_whole(group_of(memory, memory->kind, i), i)) places[found++] = i;
  }
  return found;
}

void nested_add_coarse(
    const nested_memory *values, int groups, const int8_t *weights, int stride, int heads,
    int32_t *sums) {
#define once(n)                                                                                  \
  add_coarse(values, groups, weights + head * stride, stride, n, sums + head * values->width)
  // Three heads' sums fit into the registers; four are twice two.
  for (int head = 0; head < heads;) {
    switch (heads - head) {
      case 1: once(1); head += 1; break;
      case 2:
      case 4: once(2); head += 2; break;
      default: once(3); head += 3; break;
    }
  }
#undef once
}

void nested_add_rows(
    const nested_memory *values, const int32_t *rows, int count, const float *weights, int stride,
    int heads, float *sums, int sumStride) {
  enum { piece = 16 };
  const int width = values->width;
  uint8_t codes[piece * width];
  float scales[piece];
  for (int first = 0; first < count; first += piece) {
    const int end = first + piece < count ? first + piece : count;
    for (int i = first; i < end; i++) {
      load_codes(values, nested_values, rows[i], codes + (i - first) * width);
      scales[i - first] =
          scale_of(group_of(values, nested_values, rows[i]), rows[i] % nested_rows);
    }
#define once(n)                                                                                  \
  add_codes(                                                                                     \
      codes, scales, width, end - first, weights + head * stride + first, stride, n,             \
      sums + head * sumStride, sumStride)
    FOR_HEADS(heads, once)
#undef once
  }
}

int nested_quantise(const float *numbers, int count, float inverse, int8_t *steps) {
  int sum = 0, i = 0;
#if NESTED_AVX2
  const __m256 factor = _mm256_set1_ps(inverse);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i total = _mm256_setzero_si256();
  for (; i + 32 <= count; i += 32) {
    __m256i words[4];
    for (int part = 0; part < 4; part++)
      words[part] = _mm256_cvtps_epi32(
          _mm256_mul_ps(_mm256_loadu_ps(numbers + i + 8 * part), factor));
    const __m256i first = _mm256_packs_epi32(words[0], words[1]);
    const __m256i second = _mm256_packs_epi32(words[2], words[3]);
    total = _mm256_add_epi32(
        total, _mm256_madd_epi16(_mm256_add_epi16(first, second), ones));
    _mm256_storeu_si256(
        (__m256i *)(steps + i),
        _mm256_permutevar8x32_epi32(_mm256_packs_epi16(first, second), order));
  }
  int32_t sums[8];
  _mm256_storeu_si256((__m256i *)sums, total);
  for (int lane = 0; lane < 8; lane++) sum += sums[lane];
#endif
  for (; i < count; i++) {
    const float step = __builtin_rintf(numbers[i] * inverse);
    steps[i] = step >= -127 && step <= 127 ? (int8_t)step : 0;
    sum += steps[i];
  }
  return sum;
}
