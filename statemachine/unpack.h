/* Reads the msgpack that command.c writes, from a cursor, without taking memory.
 *
 * Why not msgpack-c's reader, when msgpack-c does the writing: it reserves memory for a container's
 * declared length before it looks at the content (five bytes can ask for 200 GB), and takes and
 * frees memory for every command, on the one thread that applies them. Commands need maps, arrays,
 * strings, byte strings and unsigned integers: any width of them is understood, save the 32-bit
 * lengths, which nothing as short as a command can need.
 *
 * As with a cursor: after the first thing that is not what was asked for, `failed` stays set and
 * everything later gives zero or an empty slice. Slices borrow. Pure; any thread. */
#ifndef FLORIN_UNPACK_H
#define FLORIN_UNPACK_H

#include "statemachine/bytes.h"

uint32_t unpack_map(struct cursor *c);   /* how many pairs follow */
uint32_t unpack_array(struct cursor *c); /* how many values follow */
uint64_t unpack_wide_uint(struct cursor *c);
struct slice unpack_long_text(struct cursor *c);
struct slice unpack_blob(struct cursor *c);

/* Nearly all numbers are small (a map's keys, types) and nearly all texts are short: those are read
 * where they are asked for. */
static inline uint64_t unpack_uint(struct cursor *c)
{
    if (c->left > 0 && !c->failed && *c->at < 0x80) {
        c->left--;
        return *c->at++;
    }
    return unpack_wide_uint(c);
}

static inline struct slice unpack_text(struct cursor *c)
{
    size_t len = c->left > 0 && !c->failed ? *c->at ^ 0xa0u : 0xff; /* of a "fixstr" */

    if (len < 32 && c->left > len) {
        struct slice text = {(const char *)c->at + 1, len};

        c->at += 1 + len;
        c->left -= 1 + len;
        return text;
    }
    return unpack_long_text(c);
}

#endif
