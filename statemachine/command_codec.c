/* Commands as bytes. Guarantee: one command has one encoding, and what decodes is well formed.
 *
 * How: maps are written and read by the tables of fields. The decoder fills a struct, then holds
 * the keys it met against what the struct says is present: a difference is a missing field, or one
 * that should have been left out. */
#include <msgpack.h>

#include "statemachine/command_fields.h"
#include "statemachine/unpack.h"

static int write_bytes(void *data, const char *buf, size_t len)
{
    bytes_append(data, buf, len);
    return 0;
}

static void pack_map(msgpack_packer *pk, const void *base, const struct field *table,
                     uint64_t keys);

static void pack_text(msgpack_packer *pk, struct slice text)
{
    msgpack_pack_str(pk, text.len);
    msgpack_pack_str_body(pk, text.base, text.len);
}

static void pack_blob(msgpack_packer *pk, const void *data, size_t len)
{
    msgpack_pack_bin(pk, len);
    msgpack_pack_bin_body(pk, data, len);
}

static void pack_list(msgpack_packer *pk, const void *base, const struct field *f)
{
    const char *at = (const char *)base + f->offset;
    const struct command_item *items = (const void *)at;
    const struct limit_change *limits = (const void *)at;
    const struct actor *actors = (const void *)at;
    uint8_t n = ((const uint8_t *)base)[f->count_offset];
    struct slice text;
    uint8_t i;

    msgpack_pack_array(pk, n);
    for (i = 0; i < n; i++) {
        switch (f->form) {
        case FORM_ITEMS:
            pack_map(pk, &items[i], item_fields,
                     fields_present(&items[i], item_fields, item_always(&items[i])));
            break;
        case FORM_LIMITS:
            pack_map(pk, &limits[i], limit_fields,
                     fields_present(&limits[i], limit_fields, limit_always(&limits[i])));
            break;
        case FORM_ACTORS:
            pack_map(pk, &actors[i], actor_fields, actor_always());
            break;
        default:
            memcpy(&text, at + i * sizeof text, sizeof text);
            pack_text(pk, text);
        }
    }
}

static void pack_value(msgpack_packer *pk, const void *base, const struct field *f)
{
    struct decimal amount;
    const uint8_t *hash;

    switch (f->form) {
    case FORM_TEXT:
        pack_text(pk, field_slice(base, f));
        break;
    case FORM_BLOB:
        pack_blob(pk, field_slice(base, f).base, field_slice(base, f).len);
        break;
    case FORM_HASH:
        memcpy(&hash, (const char *)base + f->offset, sizeof hash);
        pack_blob(pk, hash, SECRET_HASH_BYTES);
        break;
    case FORM_NUMBER:
        msgpack_pack_uint64(pk, field_number(base, f));
        break;
    case FORM_AMOUNT:
        memcpy(&amount, (const char *)base + f->offset, sizeof amount);
        msgpack_pack_array(pk, 2);
        msgpack_pack_uint64(pk, (uint64_t)amount.digits);
        msgpack_pack_uint64(pk, amount.after_point);
        break;
    default:
        pack_list(pk, base, f);
    }
}

static void pack_map(msgpack_packer *pk, const void *base, const struct field *table, uint64_t keys)
{
    msgpack_pack_map(pk, (size_t)__builtin_popcountll(keys));
    for (; keys != 0; keys &= keys - 1) {
        unsigned key = (unsigned)__builtin_ctzll(keys);

        msgpack_pack_uint64(pk, key);
        pack_value(pk, base, &table[key]);
    }
}

void command_encode(const struct command *c, struct bytes *out)
{
    msgpack_packer pk;

    msgpack_packer_init(&pk, out, write_bytes);
    pack_map(&pk, c, command_fields, fields_present(c, command_fields, command_always(c)));
}

/* ---- decoding ---- */

static int take_map(struct cursor *in, void *base, const struct field *table, uint64_t *seen,
                    struct fault *fault);

static int bad(const struct field *f, struct fault *fault)
{
    return fault_set(fault, "command: %s is cut short or of the wrong kind", f->name);
}

static struct decimal unpack_amount(struct cursor *in)
{
    struct decimal amount = {0, 0};
    uint64_t digits, after_point;

    if (unpack_array(in) != 2) {
        in->failed = true;
    }
    digits = unpack_uint(in);
    after_point = unpack_uint(in);
    if (digits > INT64_MAX || after_point > SCALE_MAX) {
        in->failed = true;
        return amount;
    }
    return (struct decimal){(int64_t)digits, (uint8_t)after_point};
}

static void unpack_number(struct cursor *in, void *base, const struct field *f)
{
    char *at = (char *)base + f->offset;
    uint64_t v = unpack_uint(in);
    uint32_t v4 = (uint32_t)v;

    /* Before it is cut to its place: 256 is no 0. */
    if (v > f->max) {
        in->failed = true;
        return;
    }
    switch (f->size) {
    case 8:
        memcpy(at, &v, sizeof v);
        break;
    case 4:
        memcpy(at, &v4, sizeof v4);
        break;
    default:
        *(uint8_t *)at = (uint8_t)v;
    }
}

/* A map in a list. What it has must be what its struct says. */
static int take_element(struct cursor *in, void *list, uint32_t i, const struct field *f,
                        struct fault *fault)
{
    struct command_item *item = (struct command_item *)list + i;
    struct limit_change *limit = (struct limit_change *)list + i;
    struct actor *actor = (struct actor *)list + i;
    uint64_t seen, present;

    switch (f->form) {
    case FORM_ITEMS:
        *item = (struct command_item){0};
        if (take_map(in, item, item_fields, &seen, fault) != 0) {
            return -1;
        }
        present = fields_present(item, item_fields, item_always(item));
        break;
    case FORM_LIMITS:
        *limit = (struct limit_change){0};
        if (take_map(in, limit, limit_fields, &seen, fault) != 0) {
            return -1;
        }
        present = fields_present(limit, limit_fields, limit_always(limit));
        break;
    default:
        *actor = (struct actor){.role = ROLE_NONE};
        if (take_map(in, actor, actor_fields, &seen, fault) != 0) {
            return -1;
        }
        present = actor_always();
    }
    return seen == present ? 0 : bad(f, fault);
}

static int take_list(struct cursor *in, void *base, const struct field *f, struct fault *fault)
{
    char *at = (char *)base + f->offset;
    uint32_t n = unpack_array(in);
    uint32_t i;

    if (n > f->max) {
        in->failed = true;
    }
    for (i = 0; i < n && !in->failed; i++) {
        if (f->form == FORM_TEXTS) {
            struct slice text = unpack_text(in);

            memcpy(at + i * sizeof text, &text, sizeof text);
        } else if (take_element(in, at, i, f, fault) != 0) {
            return -1;
        }
    }
    ((uint8_t *)base)[f->count_offset] = in->failed ? 0 : (uint8_t)n;
    return in->failed ? bad(f, fault) : 0;
}

static int take_value(struct cursor *in, void *base, const struct field *f, struct fault *fault)
{
    char *at = (char *)base + f->offset;
    struct decimal amount;
    struct slice text;

    switch (f->form) {
    case FORM_TEXT:
        text = unpack_text(in);
        memcpy(at, &text, sizeof text);
        break;
    case FORM_BLOB:
        text = unpack_blob(in);
        memcpy(at, &text, sizeof text);
        break;
    case FORM_HASH:
        text = unpack_blob(in);
        if (text.len != SECRET_HASH_BYTES) {
            in->failed = true;
        }
        memcpy(at, &text.base, sizeof text.base);
        break;
    case FORM_NUMBER:
        unpack_number(in, base, f);
        break;
    case FORM_AMOUNT:
        amount = unpack_amount(in);
        memcpy(at, &amount, sizeof amount);
        break;
    default:
        return take_list(in, base, f, fault);
    }
    return in->failed ? bad(f, fault) : 0;
}

static int take_map(struct cursor *in, void *base, const struct field *table, uint64_t *seen,
                    struct fault *fault)
{
    uint64_t next = 0;
    uint32_t n;

    *seen = 0;
    for (n = unpack_map(in); n > 0 && !in->failed; n--) {
        uint64_t key = unpack_uint(in);

        if (in->failed || key >= KEY_COUNT || table[key].name == NULL || key < next) {
            return fault_set(fault, "command: a field is unknown, repeated or out of order");
        }
        next = key + 1;
        *seen |= BIT(key);
        if (take_value(in, base, &table[key], fault) != 0) {
            return -1;
        }
    }
    return in->failed ? fault_set(fault, "command: a map is cut short") : 0;
}

/* Only what was met is looked at: all else is zero. */
static int check_seen(const struct command *c, uint64_t seen, struct fault *fault)
{
    uint64_t always = command_always(c);
    uint64_t wrong = always & ~seen, rest;

    for (rest = seen & ~always; rest != 0; rest &= rest - 1) {
        if (!field_is_set(c, &command_fields[__builtin_ctzll(rest)])) {
            wrong |= rest & -rest;
        }
    }
    return wrong == 0
               ? 0
               : fault_set(fault, "command: %s is missing, or empty where it should be left out",
                           command_fields[__builtin_ctzll(wrong)].name);
}

int command_decode(const void *data, size_t len, struct command *c, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    uint64_t seen;

    command_init(c);
    if (len > COMMAND_BYTES_MAX) {
        return fault_set(fault, "command: %zu bytes are over %d", len, COMMAND_BYTES_MAX);
    }
    if (take_map(&in, c, command_fields, &seen, fault) != 0) {
        return -1;
    }
    if (in.left > 0) {
        return fault_set(fault, "command: bytes are left over after it");
    }
    if (check_seen(c, seen, fault) != 0 || fields_check(c, command_fields, seen, fault) != 0) {
        return -1;
    }
    if (c->type == COMMAND_ADJUST) {
        return fault_set(fault, "command: this type comes in a transaction only");
    }
    return command_check_shape(c, seen, fault);
}
