/* Borrowed and owned runs of bytes.
 *
 * A slice borrows: it never owns and need not end in NUL. A struct bytes owns a growing buffer.
 * Both are plain data; a struct is used by one thread at a time. */
#ifndef FLORIN_BYTES_H
#define FLORIN_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *base;
    size_t len;
};

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.base, b.base, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_equal(a, slice_of(text));
}

struct bytes {
    uint8_t *base;
    size_t len;
    size_t cap;
};

void bytes_init(struct bytes *b);
void bytes_release(struct bytes *b);

/* Forgets the content and keeps the memory. */
void bytes_clear(struct bytes *b);

/* Makes room for `extra` more bytes; the process ends with a message when memory is out: a ledger
 * that can't hold its state must not go on, and every caller's size is bounded before. */
void bytes_reserve(struct bytes *b, size_t extra);

void bytes_append(struct bytes *b, const void *data, size_t len);
void bytes_append_u8(struct bytes *b, uint8_t v);
void bytes_append_u16(struct bytes *b, uint16_t v); /* little-endian, as all below */
void bytes_append_u32(struct bytes *b, uint32_t v);
void bytes_append_u64(struct bytes *b, uint64_t v);

/* A cursor over bytes from outside: every read checks; after the first short read `failed` stays
 * set and every later read gives zero, so that a decoder checks once, at its end. */
struct cursor {
    const uint8_t *at;
    size_t left;
    bool failed;
};

static inline struct cursor cursor_of(const void *data, size_t len)
{
    return (struct cursor){data, len, false};
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16(struct cursor *c);
uint32_t cursor_u32(struct cursor *c);
uint64_t cursor_u64(struct cursor *c);
/* Borrows `len` bytes; NULL when there are fewer. */
const uint8_t *cursor_take(struct cursor *c, size_t len);

#endif
