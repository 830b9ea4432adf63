#include "statemachine/bytes.h"

#include <stdio.h>
#include <stdlib.h>

void bytes_init(struct bytes *b)
{
    *b = (struct bytes){NULL, 0, 0};
}

void bytes_release(struct bytes *b)
{
    free(b->base);
    bytes_init(b);
}

void bytes_clear(struct bytes *b)
{
    b->len = 0;
}

void bytes_reserve(struct bytes *b, size_t extra)
{
    size_t need;
    size_t cap = b->cap == 0 ? 256 : b->cap;
    uint8_t *base;

    if (__builtin_add_overflow(b->len, extra, &need) || need > SIZE_MAX / 4) {
        fprintf(stderr, "level=fatal msg=\"a buffer of %zu bytes can't grow by %zu\"\n", b->len,
                extra);
        abort();
    }
    if (need <= b->cap) {
        return;
    }
    while (cap < need) {
        cap *= 2;
    }
    base = realloc(b->base, cap);
    if (base == NULL) {
        fprintf(stderr, "level=fatal msg=\"out of memory\" bytes=%zu\n", cap);
        abort();
    }
    b->base = base;
    b->cap = cap;
}

void bytes_append_decimal(struct bytes *b, uint64_t v)
{
    char digits[20];
    char *end = digits + sizeof digits;
    char *at = end;

    do {
        *--at = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    bytes_append(b, at, (size_t)(end - at));
}
