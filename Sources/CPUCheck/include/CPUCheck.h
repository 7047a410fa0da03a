#ifndef CPU_CHECK_H
#define CPU_CHECK_H

/// Instruction sets that the compiler may use beyond the least common CPU of an architecture: one bit each.
#define CPU_CHECK_AVX 1u
#define CPU_CHECK_AVX2 2u
#define CPU_CHECK_FMA 4u
#define CPU_CHECK_AVX512F 8u
#define CPU_CHECK_AVX512BW 16u
#define CPU_CHECK_AVX512DQ 32u
#define CPU_CHECK_AVX512VL 64u
#define CPU_CHECK_DOTPROD 128u
#define CPU_CHECK_FP16 256u
#define CPU_CHECK_SVE 512u

/// The instruction sets that the code which *includes this header* is compiled for. Inline, so that each target
/// answers for its own flags.
static inline unsigned cpu_check_compiled_for(void) {
  unsigned sets = 0;
#if defined(__AVX__)
  sets |= CPU_CHECK_AVX;
#endif
#if defined(__AVX2__)
  sets |= CPU_CHECK_AVX2;
#endif
#if defined(__FMA__)
  sets |= CPU_CHECK_FMA;
#endif
#if defined(__AVX512F__)
  sets |= CPU_CHECK_AVX512F;
#endif
#if defined(__AVX512BW__)
  sets |= CPU_CHECK_AVX512BW;
#endif
#if defined(__AVX512DQ__)
  sets |= CPU_CHECK_AVX512DQ;
#endif
#if defined(__AVX512VL__)
  sets |= CPU_CHECK_AVX512VL;
#endif
#if defined(__ARM_FEATURE_DOTPROD)
  sets |= CPU_CHECK_DOTPROD;
#endif
#if defined(__ARM_FEATURE_FP16_VECTOR_ARITHMETIC)
  sets |= CPU_CHECK_FP16;
#endif
#if defined(__ARM_FEATURE_SVE)
  sets |= CPU_CHECK_SVE;
#endif
  return sets;
}

/// The instruction sets that this CPU has; all of them where it cannot be asked.
unsigned cpu_check_present(void);

/// The first of these instruction sets that this CPU lacks (a static string such as "avx512f"), or a null pointer
/// when it has them all.
///
/// Of several bits the lowest is looked at first. This target is compiled without `-march=native`, so that the check
/// itself runs on every CPU.
const char *cpu_check_missing(unsigned sets);

/// The name of the lowest of these instruction sets, or a null pointer when there is none.
const char *cpu_check_name(unsigned sets);

#endif
