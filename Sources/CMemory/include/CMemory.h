#ifndef C_MEMORY_H
#define C_MEMORY_H

/// Gives memory that was freed back to the system (glibc's malloc_trim); does nothing with another C library.
void return_freed_memory(void);

/// Lets the allocator keep at most `bytes` of freed memory at the end of its heap, and gives blocks of at least as many
/// back as soon as they are freed. By default glibc adapts both to the program, up to 64 and 32 MB. Does nothing with
/// another C library.
void limit_freed_memory(int bytes);

/// Asks for the cache line at an address that will be read soon. Any address will do: none is an error.
static inline __attribute__((always_inline)) void prefetch_line(const void *address) {
  __builtin_prefetch(address);
}

#endif
