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

void bytes_append(struct bytes *b, const void *data, size_t len)
{
    if (len == 0) {
        return;
    }
    bytes_reserve(b, len);
    memcpy(b->base + b->len, data, len);
    b->len += len;
}

/* The little-endian encodings below are written byte by byte: what they give is the same on every
 * machine; where the length is a constant, compilers make one store of it. */
static inline __attribute__((always_inline)) void append_le(struct bytes *b, uint64_t v, size_t len)
{
    uint8_t *at;
    size_t i;

    bytes_reserve(b, len);
    at = b->base + b->len;
    for (i = 0; i < len; i++) {
        at[i] = (uint8_t)(v >> (8 * i));
    }
    b->len += len;
}

void bytes_append_u8(struct bytes *b, uint8_t v)
{
    append_le(b, v, 1);
}

void bytes_append_u16(struct bytes *b, uint16_t v)
{
    append_le(b, v, 2);
}

void bytes_append_u32(struct bytes *b, uint32_t v)
{
    append_le(b, v, 4);
}

void bytes_append_u64(struct bytes *b, uint64_t v)
{
    append_le(b, v, 8);
}

const uint8_t *cursor_take(struct cursor *c, size_t len)
{
    const uint8_t *at = c->at;

    if (c->failed || c->left < len) {
        c->failed = true;
        return NULL;
    }
    c->at += len;
    c->left -= len;
    return at;
}

static inline __attribute__((always_inline)) uint64_t cursor_le(struct cursor *c, size_t len)
{
    const uint8_t *at = cursor_take(c, len);
    uint64_t v = 0;
    size_t i;

    if (at == NULL) {
        return 0;
    }
    for (i = 0; i < len; i++) {
        v |= (uint64_t)at[i] << (8 * i);
    }
    return v;
}

uint8_t cursor_u8(struct cursor *c)
{
    return (uint8_t)cursor_le(c, 1);
}

uint16_t cursor_u16(struct cursor *c)
{
    return (uint16_t)cursor_le(c, 2);
}

uint32_t cursor_u32(struct cursor *c)
{
    return (uint32_t)cursor_le(c, 4);
}

uint64_t cursor_u64(struct cursor *c)
{
    return cursor_le(c, 8);
}
