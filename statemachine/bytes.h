/* Borrowed and owned runs of bytes.
 *
 * A slice borrows: it never owns and need not end in NUL. A struct bytes owns a growing buffer.
 * Both are plain data; a struct is used by one thread at a time. */
#ifndef FLORIN_BYTES_H
#define FLORIN_BYTES_H

#include <endian.h>
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

/* Integers are little-endian wherever we write them. The functions below are here so that compilers
 * make one store or load of each: a bet is some hundred of them. */
static inline void store_le16(uint8_t *at, uint16_t v)
{
    v = htole16(v);
    memcpy(at, &v, sizeof v);
}

static inline void store_le32(uint8_t *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof v);
}

static inline void store_le64(uint8_t *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof v);
}

static inline uint16_t load_le16(const uint8_t *at)
{
    uint16_t v;

    memcpy(&v, at, sizeof v);
    return le16toh(v);
}

static inline uint32_t load_le32(const uint8_t *at)
{
    uint32_t v;

    memcpy(&v, at, sizeof v);
    return le32toh(v);
}

static inline uint64_t load_le64(const uint8_t *at)
{
    uint64_t v;

    memcpy(&v, at, sizeof v);
    return le64toh(v);
}

/* Room for `extra` more bytes; where they go. */
static inline uint8_t *bytes_room(struct bytes *b, size_t extra)
{
    if (b->cap - b->len < extra) {
        bytes_reserve(b, extra);
    }
    return b->base + b->len;
}

static inline void bytes_append(struct bytes *b, const void *data, size_t len)
{
    if (len > 0) {
        memcpy(bytes_room(b, len), data, len);
        b->len += len;
    }
}

/* The number's digits. */
void bytes_append_decimal(struct bytes *b, uint64_t v);

static inline void bytes_append_u8(struct bytes *b, uint8_t v)
{
    *bytes_room(b, 1) = v;
    b->len += 1;
}

static inline void bytes_append_u16(struct bytes *b, uint16_t v)
{
    store_le16(bytes_room(b, 2), v);
    b->len += 2;
}

static inline void bytes_append_u32(struct bytes *b, uint32_t v)
{
    store_le32(bytes_room(b, 4), v);
    b->len += 4;
}

static inline void bytes_append_u64(struct bytes *b, uint64_t v)
{
    store_le64(bytes_room(b, 8), v);
    b->len += 8;
}

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

/* Borrows `len` bytes; NULL when there are fewer. */
static inline const uint8_t *cursor_take(struct cursor *c, size_t len)
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

static inline uint8_t cursor_u8(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 1);

    return at == NULL ? 0 : *at;
}

static inline uint16_t cursor_u16(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 2);

    return at == NULL ? 0 : load_le16(at);
}

static inline uint32_t cursor_u32(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 4);

    return at == NULL ? 0 : load_le32(at);
}

static inline uint64_t cursor_u64(struct cursor *c)
{
    const uint8_t *at = cursor_take(c, 8);

    return at == NULL ? 0 : load_le64(at);
}

#endif
