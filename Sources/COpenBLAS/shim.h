#include <cblas.h>
#ifdef __linux__
#include <malloc.h>  // malloc_trim, which the Glibc module leaves out
#endif
