/* CRC-64 (ECMA-182, reflected; the one of xz), by isa-l: for sums over gigabytes, where a CRC-32
 * would miss one damage of four billion. */
#ifndef FLORIN_CRC64_H
#define FLORIN_CRC64_H

#include <stddef.h>
#include <stdint.h>

/* The CRC of `len` more bytes; crc is 0 at the start. Any thread. */
uint64_t crc64(uint64_t crc, const void *data, size_t len);

#endif
