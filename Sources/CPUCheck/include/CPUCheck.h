#ifndef CPU_CHECK_H
#define CPU_CHECK_H

/// The first instruction set that this build of the kernels uses and this CPU lacks (a static string such as
/// "avx512f"), or a null pointer when the program can run here.
///
/// This target is compiled without `-march=native`, so that the check itself runs on every CPU. What the kernels
/// were compiled for is handed in by the caller, as the names that the compiler defined for them.
const char *cpu_check_missing(const char *const *required, int count);

#endif
