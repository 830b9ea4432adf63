/* What the tests of decoders share: every truncation must be refused, and no mutation may crash.
 * Inputs are copied to memory of exactly their size, so that a sanitizer sees one byte too many. */
#ifndef FLORIN_CODEC_FIXTURE_H
#define FLORIN_CODEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "statemachine/bytes.h"

/* 0 when it decodes. Reads all that a decoded thing borrows, too. */
typedef int (*decode_fn)(const void *data, size_t len);

static inline int decode_copy(decode_fn decode, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len == 0 ? 1 : len);
    int rc;

    assert_non_null(copy);
    memcpy(copy, data, len);
    rc = decode(copy, len);
    free(copy);
    return rc;
}

static inline void refuses_truncations(decode_fn decode, const struct bytes *whole)
{
    size_t len;

    assert_int_equal(decode_copy(decode, whole->base, whole->len), 0);
    for (len = 0; len < whole->len; len++) {
        if (decode_copy(decode, whole->base, len) == 0) {
            fail_msg("%zu of %zu bytes decode", len, whole->len);
        }
    }
}

static inline void refuses_more(decode_fn decode, const struct bytes *whole)
{
    struct bytes more;

    bytes_init(&more);
    bytes_append(&more, whole->base, whole->len);
    bytes_append_u8(&more, 0);
    assert_int_not_equal(decode_copy(decode, more.base, more.len), 0);
    bytes_release(&more);
}

static inline void survives_mutations(decode_fn decode, const struct bytes *whole, int rounds)
{
    struct bytes changed;
    uint64_t random = 7;
    int i;

    bytes_init(&changed);
    for (i = 0; i < rounds; i++) {
        int n;

        bytes_clear(&changed);
        bytes_append(&changed, whole->base, whole->len);
        for (n = 1 + i % 4; n > 0; n--) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            changed.base[(random >> 33) % changed.len] = (uint8_t)(random >> 20);
        }
        decode_copy(decode, changed.base, changed.len - (i % 8 == 0 ? 1 : 0));
    }
    bytes_release(&changed);
}

#endif
