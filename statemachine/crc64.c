#include "statemachine/crc64.h"

#include <isa-l/crc64.h>

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
    return crc64_ecma_refl(crc, data, len);
}
