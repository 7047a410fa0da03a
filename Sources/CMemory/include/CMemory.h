#ifndef C_MEMORY_H
#define C_MEMORY_H

/// Gives memory that was freed back to the system (glibc's malloc_trim); does nothing with another C library.
void return_freed_memory(void);

/// Asks for the cache line at an address that will be read soon. Any address will do: none is an error.
static inline __attribute__((always_inline)) void prefetch_line(const void *address) {
  __builtin_prefetch(address);
}

#endif
