#ifndef C_MAPPED_FILE_H
#define C_MAPPED_FILE_H

#include <stddef.h>

/// From now on a read of these bytes that the file no longer has ends the process with exit code 3 and a text for
/// stderr, in place of the signal SIGBUS without a word. The text has to live until `forget_mapping`. Up to 64 mappings
/// are watched at a time; for further ones, and for any other memory, the signal does what it did before.
void watch_mapping(const void *address, size_t length, const char *text);

/// To be called before the bytes are unmapped.
void forget_mapping(const void *address);

#endif
