/* Commands as bytes. Guarantee: one command has one encoding, and what decodes is well formed.
 *
 * How: maps are written and read by the tables of fields. The decoder fills a struct, looking at
 * each value when it is read, and then holds the keys it met against those that must be there and
 * those that are not empty: a difference is a missing field, or one that should have been left
 * out. */
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

/* The keys that a map had, and those of them that are neither zero nor empty. */
struct taken {
    uint64_t seen;
    uint64_t set;
};

static int take_map(struct cursor *in, void *base, const struct field *table, struct taken *taken,
                    struct fault *fault);

/* Keys that are missing, or empty where they should have been left out. */
static uint64_t not_as_encoded(struct taken taken, uint64_t always)
{
    return (always & ~taken.seen) | (taken.seen & ~always & ~taken.set);
}

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

/* Gives the number, too. */
static uint64_t unpack_number(struct cursor *in, void *base, const struct field *f)
{
    char *at = (char *)base + f->offset;
    uint64_t v = unpack_uint(in);
    uint32_t v4 = (uint32_t)v;

    /* Before it is cut to its place: 256 is no 0. */
    if (v > f->max) {
        in->failed = true;
        return 0;
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
    return v;
}

/* A map in a list. What it has must be what its struct says. */
static int take_element(struct cursor *in, void *list, uint32_t i, const struct field *f,
                        struct fault *fault)
{
    struct command_item *item = (struct command_item *)list + i;
    struct limit_change *limit = (struct limit_change *)list + i;
    struct actor *actor = (struct actor *)list + i;
    struct taken taken;
    uint64_t always;

    switch (f->form) {
    case FORM_ITEMS:
        *item = (struct command_item){0};
        if (take_map(in, item, item_fields, &taken, fault) != 0) {
            return -1;
        }
        always = item_always(item);
        break;
    case FORM_LIMITS:
        *limit = (struct limit_change){0};
        if (take_map(in, limit, limit_fields, &taken, fault) != 0) {
            return -1;
        }
        always = limit_always(limit);
        break;
    default:
        *actor = (struct actor){.role = ROLE_NONE};
        if (take_map(in, actor, actor_fields, &taken, fault) != 0) {
            return -1;
        }
        always = actor_always();
    }
    return not_as_encoded(taken, always) == 0 ? 0 : bad(f, fault);
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

/* A value of those forms that are rare, or hold others. */
static int take_rare(struct cursor *in, void *base, const struct field *f, bool *set,
                     struct fault *fault)
{
    char *at = (char *)base + f->offset;
    struct slice blob;

    switch (f->form) {
    case FORM_BLOB:
        blob = unpack_blob(in);
        memcpy(at, &blob, sizeof blob);
        break;
    case FORM_HASH:
        blob = unpack_blob(in);
        if (blob.len != SECRET_HASH_BYTES) {
            in->failed = true;
        }
        memcpy(at, &blob.base, sizeof blob.base);
        break;
    default:
        if (take_list(in, base, f, fault) != 0) {
            return -1;
        }
    }
    *set = field_is_set(base, f);
    return in->failed ? bad(f, fault) : field_check(base, f, fault);
}

/* *set: it is neither zero nor empty. */
static int take_value(struct cursor *in, void *base, const struct field *f, bool *set,
                      struct fault *fault)
{
    char *at = (char *)base + f->offset;
    struct decimal amount;
    struct slice text;

    switch (f->form) {
    case FORM_TEXT:
        text = unpack_text(in);
        memcpy(at, &text, sizeof text);
        *set = id_valid(text);
        if (!*set && !in->failed) {
            return field_check(base, f, fault); /* which says so */
        }
        break;
    case FORM_NUMBER:
        *set = unpack_number(in, base, f) != 0;
        break;
    case FORM_AMOUNT:
        amount = unpack_amount(in);
        memcpy(at, &amount, sizeof amount);
        *set = amount.digits != 0 || amount.after_point != 0;
        break;
    default:
        return take_rare(in, base, f, set, fault);
    }
    return in->failed ? bad(f, fault) : 0;
}

static int take_map(struct cursor *in, void *base, const struct field *table, struct taken *taken,
                    struct fault *fault)
{
    uint64_t next = 0;
    uint32_t n;

    *taken = (struct taken){0, 0};
    for (n = unpack_map(in); n > 0 && !in->failed; n--) {
        uint64_t key = unpack_uint(in);
        bool set = false;

        if (in->failed || key >= KEY_COUNT || table[key].name == NULL || key < next) {
            return fault_set(fault, "command: a field is unknown, repeated or out of order");
        }
        next = key + 1;
        if (take_value(in, base, &table[key], &set, fault) != 0) {
            return -1;
        }
        taken->seen |= BIT(key);
        taken->set |= set ? BIT(key) : 0;
    }
    return in->failed ? fault_set(fault, "command: a map is cut short") : 0;
}

int command_decode(const void *data, size_t len, struct command *c, struct fault *fault)
{
    struct cursor in = cursor_of(data, len);
    struct taken taken;
    uint64_t wrong;

    command_init(c);
    if (len > COMMAND_BYTES_MAX) {
        return fault_set(fault, "command: %zu bytes are over %d", len, COMMAND_BYTES_MAX);
    }
    if (take_map(&in, c, command_fields, &taken, fault) != 0) {
        return -1;
    }
    if (in.left > 0) {
        return fault_set(fault, "command: bytes are left over after it");
    }
    wrong = not_as_encoded(taken, command_always(c));
    if (wrong != 0) {
        return fault_set(fault, "command: %s is missing, or empty where it should be left out",
                         command_fields[__builtin_ctzll(wrong)].name);
    }
    if (c->type == COMMAND_ADJUST) {
        return fault_set(fault, "command: this type comes in a transaction only");
    }
    return command_check_shape(c, taken.seen, fault);
}
