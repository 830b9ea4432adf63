/* MessagePack into jansson's values, so that both forms of a body are read by the same code.
 *
 * Why not msgpack-c's reader: it reserves memory for a container's declared length before it looks
 * at the content, so five bytes from outside can ask for 200 GB. Here a container grows
 * only as its members are read, and none is deeper than BODY_DEPTH_MAX. */
#include "api/body.h"

struct unpacker {
    struct cursor c;
    unsigned depth;
    const char *wrong; /* the first thing that was not right, or NULL */
};

static json_t *fail(struct unpacker *u, const char *wrong)
{
    if (u->wrong == NULL) {
        u->wrong = wrong;
    }
    return NULL;
}

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

static json_t *unpack_value(struct unpacker *u);

static json_t *unpack_text(struct unpacker *u, uint64_t len)
{
    const uint8_t *at = cursor_take(&u->c, (size_t)len);
    json_t *text;

    if (at == NULL) {
        return fail(u, "it ends too early");
    }
    if (memchr(at, 0, (size_t)len) != NULL) {
        return fail(u, "a text holds a zero byte");
    }
    text = json_stringn((const char *)at, (size_t)len); /* checks UTF-8 */
    return text == NULL ? fail(u, "a text is not UTF-8") : text;
}

static json_t *unpack_list(struct unpacker *u, uint64_t members)
{
    json_t *list = json_array();
    uint64_t i;

    for (i = 0; i < members; i++) {
        if (json_array_append_new(list, unpack_value(u)) != 0) {
            json_decref(list);
            return fail(u, "it can't be read");
        }
    }
    return list;
}

/* One key and its value. */
static int unpack_member(struct unpacker *u, json_t *map)
{
    json_t *key = unpack_value(u);
    int result = -1;

    if (!json_is_string(key)) {
        fail(u, "a key is not a text");
    } else if (json_object_get(map, json_string_value(key)) != NULL) {
        fail(u, "a key comes twice");
    } else {
        result = json_object_set_new(map, json_string_value(key), unpack_value(u));
    }
    json_decref(key);
    return result;
}

static json_t *unpack_map(struct unpacker *u, uint64_t members)
{
    json_t *map = json_object();
    uint64_t i;

    for (i = 0; i < members; i++) {
        if (unpack_member(u, map) != 0) {
            json_decref(map);
            return fail(u, "it can't be read");
        }
    }
    return map;
}

static json_t *unpack_container(struct unpacker *u, bool is_map, uint64_t members)
{
    json_t *value;

    if (u->depth == BODY_DEPTH_MAX) {
        return fail(u, "it is nested too deeply");
    }
    u->depth++;
    value = is_map ? unpack_map(u, members) : unpack_list(u, members);
    u->depth--;
    return value;
}

static json_t *unpack_real(struct unpacker *u, size_t len)
{
    uint64_t bits = big_endian(u, len);
    uint32_t bits32 = (uint32_t)bits;
    float narrow;
    double wide;

    memcpy(&narrow, &bits32, sizeof narrow);
    memcpy(&wide, &bits, sizeof wide);
    /* Never money: kept so that "a number where a text belongs" can be answered as such. */
    return json_real(len == sizeof narrow ? (double)narrow : wide);
}

static json_t *unpack_unsigned(struct unpacker *u, size_t len)
{
    uint64_t v = big_endian(u, len);

    return v > INT64_MAX ? fail(u, "a number is too large") : json_integer((json_int_t)v);
}

static json_t *unpack_signed(struct unpacker *u, size_t len)
{
    uint64_t v = big_endian(u, len);
    unsigned unused = (unsigned)(64 - 8 * len);

    return json_integer((int64_t)(v << unused) >> unused);
}

static json_t *unpack_value(struct unpacker *u)
{
    uint8_t kind = cursor_u8(&u->c);

    if (u->c.failed || u->wrong != NULL) {
        return fail(u, "it ends too early");
    }
    if (kind <= 0x7f) {
        return json_integer(kind);
    }
    if (kind <= 0x9f) {
        return unpack_container(u, kind <= 0x8f, kind & 0x0f);
    }
    if (kind <= 0xbf) {
        return unpack_text(u, kind & 0x1f);
    }
    if (kind >= 0xe0) {
        return json_integer((int8_t)kind);
    }
    switch (kind) {
    case 0xc0:
        return json_null();
    case 0xc2:
    case 0xc3:
        return json_boolean(kind == 0xc3);
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
        return unpack_container(u, false, big_endian(u, kind == 0xdc ? 2 : 4));
    case 0xde:
    case 0xdf:
        return unpack_container(u, true, big_endian(u, kind == 0xde ? 2 : 4));
    default:
        return fail(u, "it holds a binary or an extension");
    }
}

json_t *body_unpack(struct slice body, struct problem *problem)
{
    struct unpacker u = {.c = cursor_of(body.base, body.len)};
    json_t *value = unpack_value(&u);

    if (value != NULL && (u.c.failed || u.wrong != NULL || u.c.left > 0)) {
        json_decref(value);
        value = NULL;
        fail(&u, u.c.failed ? "it ends too early" : "bytes are left over");
    }
    if (value == NULL) {
        problem_set(problem, PROBLEM_MALFORMED, "The body is not MessagePack as we read it: %s.",
                    u.wrong == NULL ? "a number is not finite" : u.wrong);
    }
    return value;
}
