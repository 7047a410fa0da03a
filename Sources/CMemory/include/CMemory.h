#ifndef C_MEMORY_H
#define C_MEMORY_H

/// Gives memory that was freed back to the system (glibc's malloc_trim); does nothing with another C library.
void return_freed_memory(void);

#endif
