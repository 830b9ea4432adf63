/* CRC32C (Castagnoli) of everything that rests on disk or travels to a peer.
 *
 * Guarantees the usual CRC32C: crc32c(0, "123456789", 9) is 0xe3069283. How: isa-l, which uses the
 * processor's instruction where there is one. Its own function leaves both inversions to the
 * caller; doing them here keeps that detail in one place. Pure; any thread. */
#ifndef FLORIN_CRC32C_H
#define FLORIN_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continues `crc` (0 to begin) over `len` bytes, which is less than 2 GiB. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
