#include "consensus/copy_sum.h"

#include <string.h>

#include "statemachine/crc64.h"

void copy_sum_begin(struct copy_sum *s, enum copy_sum_kind kind)
{
    s->kind = kind;
    s->crc64 = 0;
    crypto_generichash_init(&s->blake2b, NULL, 0, COPY_SUM_BYTES);
}

void copy_sum_add(struct copy_sum *s, const void *data, size_t len)
{
    if (s->kind == COPY_SUM_CRC64) {
        s->crc64 = crc64(s->crc64, data, len);
    } else {
        crypto_generichash_update(&s->blake2b, data, len);
    }
}

void copy_sum_end(struct copy_sum *s, uint8_t sum[COPY_SUM_BYTES])
{
    size_t i;

    if (s->kind == COPY_SUM_BLAKE2B) {
        crypto_generichash_final(&s->blake2b, sum, COPY_SUM_BYTES);
        return;
    }
    memset(sum, 0, COPY_SUM_BYTES);
    for (i = 0; i < sizeof s->crc64; i++) {
        sum[i] = (uint8_t)(s->crc64 >> (8 * i));
    }
}
