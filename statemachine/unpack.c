#include "statemachine/unpack.h"

/* First bytes of the kinds we read (msgpack's specification). */
enum {
    FIXMAP = 0x80,
    FIXARRAY = 0x90,
    FIXSTR = 0xa0,
    BIN8 = 0xc4,
    BIN16 = 0xc5,
    UINT8 = 0xcc,
    UINT16 = 0xcd,
    UINT32 = 0xce,
    UINT64 = 0xcf,
    STR8 = 0xd9,
    STR16 = 0xda,
    ARRAY16 = 0xdc,
    MAP16 = 0xde,
};

static uint64_t take_big_endian(struct cursor *c, size_t len)
{
    const uint8_t *at = cursor_take(c, len);
    uint64_t v = 0;

    if (at == NULL) {
        return 0;
    }
    memcpy((uint8_t *)&v + sizeof v - len, at, len);
    return be64toh(v);
}

static uint32_t container(struct cursor *c, uint8_t fixed, uint8_t wide)
{
    uint8_t kind = cursor_u8(c);

    if ((kind & 0xf0) == fixed) {
        return kind & 0x0f;
    }
    if (kind == wide) {
        return (uint32_t)take_big_endian(c, 2);
    }
    c->failed = true;
    return 0;
}

uint32_t unpack_map(struct cursor *c)
{
    return container(c, FIXMAP, MAP16);
}

uint32_t unpack_array(struct cursor *c)
{
    return container(c, FIXARRAY, ARRAY16);
}

uint64_t unpack_wide_uint(struct cursor *c)
{
    uint8_t kind = cursor_u8(c);

    switch (kind) {
    case UINT8:
        return take_big_endian(c, 1);
    case UINT16:
        return take_big_endian(c, 2);
    case UINT32:
        return take_big_endian(c, 4);
    case UINT64:
        return take_big_endian(c, 8);
    default:
        c->failed = true;
        return 0;
    }
}

static struct slice take_slice(struct cursor *c, size_t len)
{
    const uint8_t *at = cursor_take(c, len);

    return at == NULL ? (struct slice){NULL, 0} : (struct slice){(const char *)at, len};
}

struct slice unpack_long_text(struct cursor *c)
{
    uint8_t kind = cursor_u8(c);

    if ((kind & 0xe0) == FIXSTR) {
        return take_slice(c, kind & 0x1f);
    }
    if (kind == STR8 || kind == STR16) {
        return take_slice(c, (size_t)take_big_endian(c, kind == STR8 ? 1 : 2));
    }
    c->failed = true;
    return (struct slice){NULL, 0};
}

struct slice unpack_blob(struct cursor *c)
{
    uint8_t kind = cursor_u8(c);

    if (kind == BIN8 || kind == BIN16) {
        return take_slice(c, (size_t)take_big_endian(c, kind == BIN8 ? 1 : 2));
    }
    c->failed = true;
    return (struct slice){NULL, 0};
}
