#include "statemachine/crc32c.h"

#include <assert.h>
#include <isa-l/crc.h>
#include <limits.h>

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    assert(len <= INT_MAX);
    /* isa-l only reads, whatever its prototype says. */
    return ~crc32_iscsi((unsigned char *)data, (int)len, ~crc);
}
