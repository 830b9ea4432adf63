/* MessagePack into a tree of values.
 *
 * Why not msgpack-c's reader: it reserves memory for a container's declared length before it looks
 * at the content, so five bytes from outside can ask for 200 GB. Here a container grows only as its
 * members are read, and the builder bounds how deep this recurses. */
#include "api/body.h"

struct unpacker {
    struct cursor c;
    struct builder *b;
};

static uint64_t big_endian(struct unpacker *u, size_t len)
{
    const uint8_t *at = cursor_take(&u->c, len);
    uint64_t v = 0;
    size_t i;

    for (i = 0; at != NULL && i < len; i++) {
        v = v << 8 | at[i];
    }
    return v;
}

static int unpack_value(struct unpacker *u);

/* A text's bytes, behind its length; it may fill the rest of the body, and no more. */
static struct slice take_text(struct unpacker *u, uint64_t len)
{
    const char *at = (const char *)cursor_take(&u->c, (size_t)len);

    return (struct slice){at, at == NULL ? 0 : (size_t)len};
}

static int unpack_text(struct unpacker *u, uint64_t len)
{
    struct slice text = take_text(u, len);

    return u->c.failed ? builder_fail(u->b, "it ends too early") : builder_text(u->b, text);
}

static int unpack_key(struct unpacker *u)
{
    uint8_t kind = cursor_u8(&u->c);
    struct slice key = {NULL, 0};

    if (kind >= 0xa0 && kind <= 0xbf) {
        key = take_text(u, kind & 0x1f);
    } else if (kind >= 0xd9 && kind <= 0xdb) {
        key = take_text(u, big_endian(u, (size_t)1 << (kind - 0xd9)));
    } else if (!u->c.failed) {
        return builder_fail(u->b, "a key is not a text");
    }
    return u->c.failed ? builder_fail(u->b, "it ends too early") : builder_key(u->b, key);
}

static int unpack_container(struct unpacker *u, enum value_kind kind, uint64_t members)
{
    uint64_t i;

    if (builder_open(u->b, kind) != 0) {
        return -1;
    }
    for (i = 0; i < members; i++) {
        if ((kind == VALUE_MAP && unpack_key(u) != 0) || unpack_value(u) != 0) {
            return -1;
        }
    }
    return builder_close(u->b);
}

/* Never money, and never looked at: only that it is a number. */
static int unpack_real(struct unpacker *u, size_t len)
{
    uint64_t exponent = len == 4 ? UINT64_C(0x7f800000) : UINT64_C(0x7ff0000000000000);

    if ((big_endian(u, len) & exponent) == exponent) {
        return builder_fail(u->b, "a number is not finite");
    }
    return builder_real(u->b);
}

static int unpack_unsigned(struct unpacker *u, size_t len)
{
    uint64_t v = big_endian(u, len);

    return v > INT64_MAX ? builder_fail(u->b, "a number is too large")
                         : builder_integer(u->b, (int64_t)v);
}

static int unpack_signed(struct unpacker *u, size_t len)
{
    uint64_t v = big_endian(u, len);
    unsigned unused = (unsigned)(64 - 8 * len);

    return builder_integer(u->b, (int64_t)(v << unused) >> unused);
}

/* What has its kind in a byte of its own, and its length or its bytes behind that. */
static int unpack_long(struct unpacker *u, uint8_t kind)
{
    switch (kind) {
    case 0xc0:
        return builder_null(u->b);
    case 0xc2:
    case 0xc3:
        return builder_bool(u->b, kind == 0xc3);
    case 0xca:
    case 0xcb:
        return unpack_real(u, kind == 0xca ? 4 : 8);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return unpack_unsigned(u, (size_t)1 << (kind - 0xcc));
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return unpack_signed(u, (size_t)1 << (kind - 0xd0));
    case 0xd9:
    case 0xda:
    case 0xdb:
        return unpack_text(u, big_endian(u, (size_t)1 << (kind - 0xd9)));
    case 0xdc:
    case 0xdd:
        return unpack_container(u, VALUE_LIST, big_endian(u, kind == 0xdc ? 2 : 4));
    case 0xde:
    case 0xdf:
        return unpack_container(u, VALUE_MAP, big_endian(u, kind == 0xde ? 2 : 4));
    default:
        return builder_fail(u->b, "it holds a binary or an extension");
    }
}

static int unpack_value(struct unpacker *u)
{
    uint8_t kind = cursor_u8(&u->c);
    int result;

    if (u->c.failed) {
        return builder_fail(u->b, "it ends too early");
    }
    if (kind <= 0x7f) {
        return builder_integer(u->b, kind);
    }
    if (kind <= 0x9f) {
        return unpack_container(u, kind <= 0x8f ? VALUE_MAP : VALUE_LIST, kind & 0x0f);
    }
    if (kind <= 0xbf) {
        return unpack_text(u, kind & 0x1f);
    }
    if (kind >= 0xe0) {
        return builder_integer(u->b, (int8_t)kind);
    }
    result = unpack_long(u, kind);
    return u->c.failed ? builder_fail(u->b, "it ends too early") : result;
}

int body_unpack(struct builder *b)
{
    struct unpacker u = {.c = cursor_of(b->body.base, b->body.len), .b = b};

    if (unpack_value(&u) != 0) {
        return -1;
    }
    return u.c.left > 0 ? builder_fail(b, "bytes are left over") : 0;
}
