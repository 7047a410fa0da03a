#ifndef C_NESTED_H
#define C_NESTED_H

#include <stdint.h>

/// Rows of 8-bit codes whose highest bits lie apart from the others, so that a coarse look at all rows reads few of them,
/// one after the other.
///
/// A row has `width` numbers, a multiple of 64; a number is (code - 127.5) · scale. `coarse` holds groups of 32 rows: 32
/// half-float scales, which of its rows have other bits, where these begin, then the highest bits; `fine` holds the other
/// bits of rows that have them, row by row. Of a row without them a number is the middle of what its highest bits may stand
/// for. Keys and values differ in what a coarse look multiplies:
///
/// - Of keys it reads 4 bits, and sums over channels. For each two channels 2p and 2p + 1 the bytes 2r and 2r + 1 of 32
///   hold those of row r below and of row 16 + r above. A fine row: for each 64 channels a byte j with channel j below and
///   32 + j above.
/// - Of values it reads 2 bits, and sums over rows. For each two rows 2p and 2p + 1, and each 64 channels, the bytes 2j and
///   2j + 1 hold those of channels j, 16 + j, 32 + j and 48 + j, the first lowest. A fine row: the lowest four bits as in
///   keys; then for each 64 channels a byte j with the two bits above them of channels j, 16 + j, 32 + j and 48 + j.

enum { nested_rows = 32 };

typedef enum { nested_keys, nested_values } nested_kind;

static inline int nested_coarse_bits(nested_kind kind) { return kind == nested_keys ? 4 : 2; }

/// Bytes of a group before its highest bits: scales, a bit for each row, the row of `fine` that its first one has.
enum { nested_head_bytes = nested_rows * 2 + 8 };

/// Bytes of a group in `coarse`.
static inline int nested_coarse_bytes(nested_kind kind, int width) {
  return nested_head_bytes + nested_rows * nested_coarse_bits(kind) * width / 8;
}

/// Bytes of a row in `fine`.
static inline int nested_fine_bytes(nested_kind kind, int width) {
  return (8 - nested_coarse_bits(kind)) * width / 8;
}

/// Rows from the first one of a group on; `fine` is that of all rows.
typedef struct {
  nested_kind kind;
  int width;
  const uint8_t *coarse;
  const uint8_t *fine;
} nested_memory;

/// Writes row `row`, after those before it; its bits in `coarse` must be zero.
///
/// - lower: where its other bits belong, row `place` of `fine`; null to leave them out.
void nested_store(
    nested_kind kind, int width, uint8_t *coarse, int row, uint16_t scale, const uint8_t *codes,
    uint8_t *lower, int place);

/// The scale of row `row`; its codes are written to `codes`, bits that it does not have as 0.
uint16_t nested_load(const nested_memory *memory, int row, uint8_t *codes);

/// Which rows of a group have all bits: row r has if bit r is set.
uint32_t nested_whole(const nested_memory *memory, int group);

/// Only rows of a group in `whole` are to have all bits; ``nested_count`` has to follow.
void nested_set_whole(nested_kind kind, int width, uint8_t *coarse, int group, uint32_t whole);

/// Says anew where in `fine` the rows of each group begin, all groups' in order from 0 on; returns how many there are.
int nested_count(nested_kind kind, int width, uint8_t *coarse, int groups);

/// Rows `first` to `first + count - 1` as numbers.
void nested_decode(const nested_memory *memory, int first, int count, float *numbers);

// MARK: Keys

/// A few queries as the products with codes take them. Query h is `codes[h · width + c]` times a step, and the magnitudes
/// of its codes in each 64 channels, from channel 0 on, add up to 2,184 at most.
typedef struct {
  int heads;
  const int8_t *codes;
  /// By head: Σ_c codes.
  const int32_t *sums;
  /// By head: what a product of codes is multiplied by, and what is added then.
  const float *factors;
  const float *shifts;
} nested_queries;

/// Logits of all rows of the first groups by the highest 4 bits of their codes, each taken for the middle of what it may stand
/// for: logits[h · stride + r] = factor · scale_r · Σ_c (16 · upper_c - 120) q_c + shift.
void nested_rank(
    const nested_memory *keys, int groups, const nested_queries *queries, float *logits,
    int stride);

/// Asks for the fine bits of some rows, so that they are on their way when they are read.
void nested_fetch(const nested_memory *memory, const int32_t *rows, int count);

/// Of rows that have all bits, by these: logits[h · stride + i] = ranked[h · rankedStride + rows[i]]
/// + factor · scale · Σ_c (lower_c - 7.5) q_c of row rows[i].
void nested_refine(
    const nested_memory *keys, const int32_t *rows, int count, const nested_queries *queries,
    const float *ranked, int rankedStride, float *logits, int stride);

/// The rows i below `count` that have all bits, ascending, at which numbers[h · stride + i] > least[h] for some h; returns
/// how many.
int nested_select(
    const nested_memory *memory, const float *numbers, int stride, int heads, int count,
    const float *least, int32_t *places);

// MARK: Values

/// steps[i] = numbers[i] · inverse to the nearest whole number, halves to even, which must lie within ±127; returns their
/// sum.
int nested_quantise(const float *numbers, int count, float inverse, int8_t *steps);

/// sums[h · width + c] = Σ_r weights[h · stride + r] · (highest 2 bits of code c of row r) over the rows of the first groups,
/// of weights from 0 on.
void nested_add_coarse(
    const nested_memory *values, int groups, const int8_t *weights, int stride, int heads,
    int32_t *sums);

/// sums[h · sumStride + c] += Σ_i weights[h · stride + i] · number c of row rows[i], which has all bits.
void nested_add_rows(
    const nested_memory *values, const int32_t *rows, int count, const float *weights, int stride,
    int heads, float *sums, int sumStride);

/// The scales of the first `count` rows.
void nested_scales(const nested_memory *memory, int count, float *scales);

#endif
